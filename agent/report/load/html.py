"""The page of a load, self-contained, with k6's names for its figures."""

from __future__ import annotations

from alertdrill import __version__
from alertdrill.agent.report import page, plot, words
from alertdrill.agent.report.load import figure as load_figure
from alertdrill.agent.report.load import phase_text
from alertdrill.agent.report.load.story import LoadStory
from alertdrill.agent.report.load.summary import OUR_STATS, columns
from alertdrill.agent.report.scorecard import MARKS, TONES
from alertdrill.agent.scorecard.phase_result import highest_passed
from alertdrill.probes.figures.measures import Trend, split
from alertdrill.probes.spelling import duration_text, number_text, share_text

_OUTCOMES = {
    "passed": ("good", "passed"),
    "crossed": ("bad", "threshold crossed"),
    "not carried": ("bad", "not every phase passed"),
    "unanswered": ("bad", "no transaction was answered"),
    "stopped": ("unsure", "stopped early"),
}
_DISTRIBUTIONS = {"from due time": "latency", "from send": "iteration_duration"}


def render(story: LoadStory) -> str:
    """Render a load as a self-contained HTML page."""
    shown = story.summary.shown
    trends = {key: measure for key, measure in shown.items() if isinstance(measure, Trend)}
    tone, outcome = _OUTCOMES[story.verdict]
    return page.render(
        "load.html.j2",
        has_figures=True,
        story=story,
        summary=story.summary,
        tally=story.tally,
        tone=tone,
        outcome=outcome,
        judged=sorted(story.summary.judged, key=lambda one: (split(one.metric)[0], one.metric)),
        stats=list(OUR_STATS),
        trends={key: [duration_text(stat(trend)) for stat in OUR_STATS.values()] for key, trend in trends.items()},
        others={key: columns(measure) for key, measure in shown.items() if key not in trends},
        timeline=plot.html(load_figure.timeline(story.tally.seconds)),
        capacity=plot.html(load_figure.capacity(story.phases)) if story.phases else "",
        highest=phase_text.highest_words(highest_passed(story.phases)),
        phase_text=phase_text,
        marks=MARKS,
        tones=TONES,
        latency_words=words.latency_words,
        distribution=plot.html(
            load_figure.distribution({name: trends[key] for name, key in _DISTRIBUTIONS.items() if key in trends})
        ),
        utc=words.utc,
        number_text=number_text,
        share_text=share_text,
        version=__version__,
    )
