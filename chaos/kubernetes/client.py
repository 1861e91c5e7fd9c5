"""The only file that speaks to a Kubernetes API server, through kubernetes-asyncio; its exceptions stop here.

Objects are plain JSON, so that fields that the library does not know are kept.
Every request has a time limit, because an undo must end.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import yaml
from kubernetes_asyncio import config
from kubernetes_asyncio.client import ApiClient, Configuration
from kubernetes_asyncio.client.exceptions import ApiException, OpenApiException
from kubernetes_asyncio.config.config_exception import ConfigException

from alertdrill.chaos.cluster_access import PROTECTED, Reach
from alertdrill.chaos.kubernetes.place import ClusterError, Object, Place
from alertdrill.units import json_text
from alertdrill.units.http_body import MOST_VALUES, BodyTooLong, read_body

_LIMIT_SECONDS = 10.0
_CHANGE = "application/merge-patch+json"
_REVIEW = Place(api="authorization.k8s.io/v1", resource="selfsubjectaccessreviews")


class KubernetesCluster:
    """An API server, through one pool of connections."""

    def __init__(self, api: ApiClient, name: str) -> None:
        self._api = api
        self._name = name

    async def get(self, place: Place) -> Object:
        """Read an object; raises ClusterError (404: there is none)."""
        return await self._call("GET", "get", place)

    async def listed(self, place: Place, selector: str = "") -> list[Object]:
        """List the objects that carry some labels, in the order of their names; raises ClusterError."""
        answer = await self._call("GET", "list", place, query=[("labelSelector", selector)] if selector else [])
        found: list[Object] = answer["items"]
        return sorted(found, key=lambda one: str(one["metadata"]["name"]))

    async def resources(self, api: str) -> list[Object]:
        """List the resources of an API (`apps/v1`); raises ClusterError (404: there is no such API)."""
        answer = await self._call("GET", "get", Place(api=api, resource=""))
        found: list[Object] = answer["resources"]
        return found

    async def create(self, place: Place, body: Object) -> Object:
        """Create an object, or call a subresource such as `eviction`; raises ClusterError (409: it exists already)."""
        return await self._write("POST", "create", place, body)

    async def patch(self, place: Place, change: Object) -> Object:
        """Change some fields of an object (RFC 7386: null removes one); raises ClusterError."""
        return await self._write("PATCH", "patch", place, change)

    async def delete(self, place: Place, uid: str, grace_seconds: int | None = None) -> None:
        """Delete exactly the object of that uid; raises ClusterError (404: gone, 409: another one has its name)."""
        options: Object = {"preconditions": {"uid": uid}, "propagationPolicy": "Background"}
        if grace_seconds is not None:
            options["gracePeriodSeconds"] = grace_seconds
        await self._write("DELETE", "delete", place, options)

    async def may(self, verb: str, place: Place) -> bool:
        """Return whether alertdrill may do something; every user may ask that. Raises ClusterError."""
        what = {"verb": verb, "group": place.group, "resource": place.resource, "subresource": place.subresource}
        where = {"namespace": place.namespace or "", "name": place.name}
        spec = {"resourceAttributes": what | where}
        answer = await self._call("POST", "create", _REVIEW, {"spec": spec})
        return bool(answer["status"]["allowed"])

    async def _write(self, method: str, verb: str, place: Place, body: Object) -> Object:
        # The last barrier: no caller may change the namespaces of Kubernetes itself.
        if place.namespace in PROTECTED:
            raise ClusterError(f"{place.words} belongs to Kubernetes and is never touched")
        return await self._call(method, verb, place, body)

    async def _call(
        self,
        method: str,
        verb: str,
        place: Place,
        body: Object | None = None,
        query: list[tuple[str, str]] | None = None,
    ) -> Object:
        try:
            async with asyncio.timeout(_LIMIT_SECONDS):
                response = await self._api.call_api(
                    place.path,
                    method,
                    query_params=query or [],
                    header_params={"Accept": "application/json"}
                    | ({"Content-Type": _CHANGE} if verb == "patch" else {}),
                    body=body,
                    auth_settings=["BearerToken"],
                    # The library would read a body of any size.
                    _preload_content=False,
                    _return_http_data_only=True,
                    _request_timeout=_LIMIT_SECONDS,
                )
                async with response:
                    content = await read_body(response)
        except ApiException as error:
            raise _refusal(error.status, error.reason, error.body, verb, place) from error
        except BodyTooLong as error:
            raise ClusterError(f"{verb} {place.words}: {error}") from error
        except (aiohttp.ClientError, TimeoutError, OSError, OpenApiException, ValueError) as error:
            reason = str(error) or type(error).__name__
            raise ClusterError(f"the API server of {self._name} cannot be reached: {reason}") from error
        if response.status not in {200, 201, 202}:
            raise _refusal(response.status, response.reason, content, verb, place)
        return self._parsed(content)

    def _parsed(self, content: bytes) -> Object:
        try:
            answer = json_text.parse(content, MOST_VALUES)
        except ValueError as error:
            raise ClusterError(f"the API server of {self._name} did not answer with JSON: {error}") from error
        if not isinstance(answer, dict):
            raise ClusterError(f"the API server of {self._name} did not answer with an object")
        return answer


@asynccontextmanager
async def connected(reach: Reach) -> AsyncIterator[KubernetesCluster]:
    """Connect to a cluster for the length of the block; raises ClusterError when it is unknown."""
    configuration = Configuration()
    # Callers try again, because they know how much time there is.
    configuration.retries = 0
    try:
        if reach.kubeconfig is None:
            config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
        else:
            if not reach.kubeconfig.is_file():
                raise ClusterError(f"the kubeconfig {reach.kubeconfig} is not there")
            await config.load_kube_config(
                str(reach.kubeconfig), reach.context, client_configuration=configuration, persist_config=False
            )
        api = ApiClient(configuration)
    except (ConfigException, OSError, ValueError, KeyError, TypeError, AttributeError, yaml.YAMLError) as error:
        hint = "" if reach.kubeconfig else ": `kubeconfig` of agent.yml names a cluster that is elsewhere"
        raise ClusterError(f"{reach.words} cannot be used: {error}{hint}") from error
    async with api:
        yield KubernetesCluster(api, reach.words)


def _refusal(code: int, reason: str | None, body: Any, verb: str, place: Place) -> ClusterError:  # noqa: ANN401 - see _status
    status = _status(body)
    message = str(status.get("message") or reason or "").strip()
    causes = tuple(str(one.get("message", "")) for one in (status.get("details") or {}).get("causes") or [])
    if code == 401:
        return ClusterError(f"the API server rejects the credentials: {message}", 401)
    if code == 403 and status.get("reason") == "Forbidden" and "is forbidden: User" in message:
        return ClusterError(f"not permitted to {verb} {place.words}: {message}", 403)
    return ClusterError(f"{verb} {place.words}: {code} {message}", code, causes)


def _status(body: Any) -> Object:  # noqa: ANN401 - a proxy may have answered
    try:
        status = json.loads(body)
    except (TypeError, ValueError, RecursionError):
        return {}
    return status if isinstance(status, dict) else {}
