"""The names by which a script calls k6's modules and functions."""

from __future__ import annotations

from alertdrill.agent.import_k6.syntax import Node

_WHOLE = "*"


class Names:
    """The imported names of a script."""

    def __init__(self) -> None:
        self._bound: dict[str, tuple[str, str]] = {}

    def bind(self, statement: Node) -> str:
        """Add the names of an `import` statement, and return its module."""
        module = statement.fields["source"].text[1:-1]
        for node in statement.walk():
            if node.kind in {"import_clause", "namespace_import"}:
                whole = (child for child in node.children if child.kind == "identifier")
                self._bound |= {name.text: (module, _WHOLE) for name in whole}
            elif node.kind == "import_specifier":
                exported = node.fields["name"].text
                local = node.fields.get("alias", node.fields["name"]).text
                self._bound[local] = (module, _WHOLE if exported == "default" else exported)
        return module

    def called(self, call: Node) -> str:
        """Return the called function, such as `k6/http.post` or `k6.check`; empty if it is not one of a module."""
        function = call.fields["function"]
        if function.kind == "identifier":
            module, exported = self._bound.get(function.text, ("", _WHOLE))
            return "" if exported == _WHOLE else f"{module}.{exported}"
        if function.kind != "member_expression":
            return ""
        module, exported = self._bound.get(function.fields["object"].text, ("", ""))
        return f"{module}.{function.fields['property'].text}" if exported == _WHOLE else ""

    def made_by(self, name: str) -> str:
        """Return the module from which a name was imported; empty if it was not imported."""
        return self._bound.get(name, ("", ""))[0]
