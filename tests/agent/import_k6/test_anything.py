"""Any expression anywhere in a script is carried over, noted or refused, and never crashes the import."""

from __future__ import annotations

from pathlib import Path

import pytest

from alertdrill.agent.config.probe import read_probe_file
from alertdrill.agent.import_k6.conversion import convert
from alertdrill.agent.import_k6.notes import UnusableScript

SCRIPT = """
import http from 'k6/http';
import { check, sleep, group } from 'k6';
const top = <0>;
export const options = {
  scenarios: {
    a: { executor: <1>, rate: <2>, timeUnit: <3>, duration: <4>, exec: <5> },
    b: { executor: 'ramping-arrival-rate', startRate: <6>, stages: [{ target: <7>, duration: '1m' }, <8>] },
    c: <9>,
  },
  thresholds: { http_req_duration: [<10>, { threshold: <11>, abortOnFail: <12>, delayAbortEval: <13> }], checks: <14> },
  other: <15>,
};
export default function (given) {
  const body = JSON.stringify({ a: <16>, [<17>]: 1, ...<18> });
  const params = { headers: { A: <19>, B: top }, timeout: <20>, tags: { name: <21> }, more: <22> };
  const res = http.request(<23>, <24>, <25>, <26>);
  check(<27>, { x: <28>, y: (r) => <29>, z: (r) => r.status === <30>, t: (r) => r.timings.duration < <31> }, <32>);
  check(res, { j: (r) => r.json(<33>) === <34>, h: (r) => r.headers[<35>].includes(<36>), [<37>]: (r) => r.status === 1 });
  sleep(<38>); group(<39>, <40>); <41>; let later = <42>; later = <43>;
}
"""
GOOD = {
    1: "'constant-arrival-rate'",
    3: "'1s'",
    4: "'1m'",
    5: "'default'",
    10: "'avg<5'",
    11: "'max<5'",
    14: "[]",
    18: "{}",
    23: "'POST'",
    24: "'http://shop/'",
    25: "body",
    26: "params",
    27: "res",
}
ANYTHING = """
5 ¦ -1 ¦ 1e400 ¦ 'x' ¦ '{{' ¦ 'a\\nb' ¦ `a${1}${f()}` ¦ null ¦ undefined ¦ true ¦ [] ¦ [[]] ¦ [1,,2] ¦ {} ¦ { a: {} } ¦ { get x() { return 1 } }
() => 1 ¦ r => r ¦ (r) => { return } ¦ function () {} ¦ async () => {} ¦ class {} ¦ new X ¦ new X(1) ¦ f() ¦ a?.b?.() ¦ import('x')
check() ¦ check(res) ¦ group() ¦ sleep() ¦ http.get() ¦ http.get(5) ¦ http.batch([]) ¦ http.url`x` ¦ JSON.stringify() ¦ JSON.parse(5)
r.json() ¦ r.json().a[0] ¦ r.headers[0] ¦ r.body.includes() ¦ [res].includes(r.status) ¦ (r.status || r.status) ¦ (r.status && 1)
(1 < 2 && 3) ¦ a.b.c ¦ this.a ¦ /x/g ¦ (a, b) ¦ (x = y) ¦ x++ ¦ !x ¦ typeof x ¦ res ¦ top ¦ given ¦ params ¦ body ¦ options
"""
# Without these there is no probe, and nothing here is one.
NEEDED = {23, 24}


@pytest.mark.parametrize("place", range(44))
def test_any_expression_may_be_anywhere(place: int, tmp_path: Path) -> None:
    texts, refusals = set(), set()
    # A third of the expressions in each place, to save time; neighbouring places have the others.
    for anything in ANYTHING.strip().replace("\n", "¦").split("¦")[place % 3 :: 3]:
        source = SCRIPT
        for number in range(44):
            source = source.replace(f"<{number}>", anything.strip() if number == place else GOOD.get(number, "1"))
        try:
            texts.add(convert(source, "script.js").text)
        except UnusableScript as error:
            refusals.add(error.why)
    assert not [why for why in refusals if "is not JavaScript" in why]
    assert bool(texts) == (place not in NEEDED)
    for text in texts:
        (tmp_path / "probe.yml").write_text(text)
        read_probe_file(tmp_path / "probe.yml")
