"""Raw samples in a recording: they come back as they were, old recordings stay readable, and labels can be hidden."""

from __future__ import annotations

import gzip
import json
import math
from pathlib import Path

import pytest

from alertdrill.agent.errors import ConfigError
from alertdrill.agent.recording.recording import Recording, read_recording, write_recording
from alertdrill.agent.recording.redaction import hashed, redacted
from alertdrill.agent.recording.replay import LeftOutRecord, RawSeries, ReplayRecord, packed

SINCE = 1_790_000_000.0


def _replay() -> ReplayRecord:
    found = [
        ({"__name__": "queue", "shop": "acme-west"}, [(SINCE + 0.25, 1.0), (SINCE + 15.25, math.nan)]),
        ({"__name__": "size", "shop": "acme-west"}, [(SINCE + 0.25, math.inf), (SINCE + 15.25, 1e-7)]),
        ({"__name__": "size", "shop": "b"}, [(SINCE + 7, 3.0)]),
    ]
    instants, series = packed(SINCE, found)
    files = {"rules.yml": 'groups: [{name: g, rules: [{alert: A, expr: "queue{shop=\\"acme-west\\"} > 1"}]}]'}
    left_out = [LeftOutRecord(rule="B", reason="nobody knows acme-westerly or acme-west")]
    return ReplayRecord(since=SINCE, files=files, instants=instants, series=series, left_out=left_out)


def test_samples_come_back_to_the_millisecond(tmp_path: Path, passed: Recording) -> None:
    path = tmp_path / "r.gz"
    write_recording(passed.model_copy(update={"replay": _replay()}), path)
    read = read_recording(path).replay
    assert read is not None
    assert read.instants == [[250, 15_000], [7_000]]
    (_, queue), (_, size), (_, other) = read.samples()
    assert queue[0] == (250, 1.0)
    assert math.isnan(queue[1][1])
    assert size == [(250, math.inf), (15_250, 1e-7)]
    assert other == [(7_000, 3.0)]


def test_a_recording_of_version_2_is_read_and_has_nothing_to_replay(tmp_path: Path, passed: Recording) -> None:
    path = tmp_path / "r.gz"
    write_recording(passed, path)
    values = json.loads(gzip.decompress(path.read_bytes()))
    del values["replay"]
    path.write_bytes(gzip.compress(json.dumps(values | {"version": 2}).encode()))
    read = read_recording(path)
    assert (read.version, read.replay) == (2, None)


def test_values_that_do_not_fit_their_instants_are_refused() -> None:
    with pytest.raises(ValueError, match="the values of queue do not fit their instants"):
        ReplayRecord(
            since=SINCE, files={}, instants=[[1]], series=[RawSeries(labels={"__name__": "queue"}, grid=0, values=[])]
        )


def test_hidden_values_of_a_label_are_nowhere_in_the_recording(passed: Recording) -> None:
    recording = redacted(passed.model_copy(update={"replay": _replay()}), ["shop"])
    text = recording.model_dump_json()
    assert recording.replay is not None
    assert [labels["shop"] for labels, _ in recording.replay.samples()] == [hashed("acme-west")] * 2 + [hashed("b")]
    assert f'queue{{shop="{hashed("acme-west")}"}}' in recording.replay.files["rules.yml"].replace("\\", "")
    assert recording.replay.left_out[0].reason == f"nobody knows acme-westerly or {hashed('acme-west')}"
    assert "acme-west " not in text
    assert recording.rules == passed.rules


@pytest.mark.parametrize("label", ["le", "alertname"])
def test_a_label_that_rules_need_is_not_hidden(passed: Recording, label: str) -> None:
    with pytest.raises(ConfigError, match="rules need the values of this label"):
        redacted(passed, [label])


def test_a_label_that_a_rule_matches_by_a_pattern_is_not_hidden(passed: Recording) -> None:
    replay = _replay().model_copy(update={"files": {"r.yml": 'expr: queue{shop=~"acme.*"}'}})
    with pytest.raises(ConfigError, match="no pattern matches a hash"):
        redacted(passed.model_copy(update={"replay": replay}), ["shop"])
