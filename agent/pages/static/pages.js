// What a page of a running agent adds for a browser with JavaScript: live figures, parts that renew themselves, buttons.
// Every table and every number is already in the page; this file only keeps them new.

// Until then, what needs JavaScript is not shown.
document.documentElement.classList.add("scripted");

const LONGEST_SECONDS = 900;
// Parts are asked for anew at most this often, however many events there are.
const RENEW_AT_MOST_EVERY_MS = 1000;
const REFUSED_AGAIN_MS = 5000;
const SUMS_EVERY_MS = 10_000;

const byId = (id) => document.getElementById(id);
const tone = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

function shown(value, unit) {
  if (value === null || value === undefined) return "—";
  if (unit === "s") {
    return value < 0.9995 ? `${Number((value * 1000).toPrecision(3))} ms` : `${value.toFixed(2)} s`;
  }
  return Number(value.toPrecision(4)).toLocaleString("en");
}

function clock(at) {
  const text = new Date(at * 1000).toISOString();
  return at % 86_400 ? text.slice(11, at % 60 ? 19 : 16) : text.slice(5, 10);
}

// --- charts ---

class Chart {
  constructor(element, lines, unit) {
    this.element = element;
    this.lines = lines;
    this.unit = unit;
    this.columns = [[], ...lines.map(() => [])];
    this.draw();
    new ResizeObserver(() => this.plot.setSize(this.size())).observe(element);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
  }

  size() {
    return { width: Math.max(this.element.clientWidth, 200), height: 190 };
  }

  draw() {
    this.plot?.destroy();
    const axis = { stroke: tone("soft"), grid: { stroke: tone("line"), width: 1 }, ticks: { show: false }, font: "12px system-ui" };
    const label = (_, values) => values.map((one) => shown(one, this.unit));
    this.plot = new uPlot(
      {
        ...this.size(),
        legend: { show: false },
        cursor: { sync: { key: "now" }, y: false, points: { size: 6 } },
        scales: { y: { range: (_, low, high) => [0, Math.max(high * 1.1, 0.001)] } },
        tzDate: (at) => uPlot.tzDate(new Date(at * 1000), "UTC"),
        axes: [{ ...axis, space: 90, size: 28, values: (_, at) => at.map(clock) }, { ...axis, size: 62, values: label }],
        series: [
          {},
          ...this.lines.map((line) => ({
            stroke: tone(line.tone),
            width: 1.6,
            dash: line.dashed ? [6, 4] : undefined,
            points: { show: false },
          })),
        ],
        hooks: { setCursor: [(plot) => this.tell(plot.cursor.idx)] },
      },
      this.columns,
      this.element,
    );
  }

  add(at, values, longest = LONGEST_SECONDS) {
    const [instants] = this.columns;
    // Two seconds may be told within one by the clock.
    instants.push(instants.length ? Math.max(at, instants[instants.length - 1] + 1) : at);
    values.forEach((value, index) => this.columns[index + 1].push(value));
    const old = instants.findIndex((one) => one > at - longest);
    if (old > 0) this.columns.forEach((column) => column.splice(0, old));
    this.isStale = true;
  }

  show() {
    if (!this.isStale || document.hidden) return;
    this.isStale = false;
    this.plot.setData(this.columns);
    this.tell(this.plot.cursor.idx);
  }

  tell(index) {
    const at = index ?? this.columns[0].length - 1;
    this.lines.forEach((line, number) => {
      line.output.textContent = shown(this.columns[number + 1][at], this.unit);
    });
  }
}

function charts() {
  return [...document.querySelectorAll("[data-chart]")].map((element) => {
    const keys = [...element.parentElement.querySelectorAll("[data-value]")];
    const lines = keys.map((key) => ({
      value: key.dataset.value,
      tone: key.dataset.tone,
      dashed: key.classList.contains("dashed"),
      output: key.querySelector("output"),
    }));
    const chart = new Chart(element, lines, element.dataset.chart);
    const add = (second, longest) => chart.add(second.at, lines.map((line) => second[line.value] ?? null), longest);
    return { add, show: () => chart.show() };
  });
}

function tiles(second) {
  for (const element of document.querySelectorAll("[data-tile]")) {
    element.textContent = shown(second[element.dataset.tile], element.dataset.unit);
  }
}

// No event has the sums.
function sums(load) {
  const found = { ...load, missed: load.dropped + load.lost };
  for (const element of document.querySelectorAll("[data-sum]")) {
    element.textContent = found[element.dataset.sum].toLocaleString("en");
  }
  byId("missed")?.classList.toggle("bad", found.missed > 0);
}

// --- parts that renew themselves ---

let renewing = null;
let asked = false;

const parsed = (text) => new DOMParser().parseFromString(text, "text/html");

// Each part as the agent sent it last. What was written or told in it since then is no reason to renew it.
const sent = new Map();
for (const part of parsed(document.documentElement.outerHTML).querySelectorAll("[data-live]")) sent.set(part.id, part.innerHTML);

async function renew() {
  const answer = await fetch(location.href, { headers: { Accept: "text/html" }, cache: "no-store" });
  if (!answer.ok) return;
  const page = parsed(await answer.text());
  for (const old of document.querySelectorAll("[data-live]")) {
    const fresh = page.getElementById(old.id);
    // A part in which somebody is writing is left alone.
    if (!fresh || fresh.innerHTML === sent.get(old.id) || old.contains(document.activeElement)) continue;
    sent.set(old.id, fresh.innerHTML);
    old.replaceChildren(...fresh.childNodes);
  }
}

function renewSoon() {
  asked = true;
  if (renewing) return;
  renewing = setTimeout(async () => {
    asked = false;
    try {
      if (!document.hidden) await renew();
    } catch {
      // The agent may be restarting; the next event tries again.
    }
    renewing = null;
    if (asked) renewSoon();
  }, RENEW_AT_MOST_EVERY_MS);
}

function figures(second) {
  return { ...second, at: Date.parse(second.seen_at) / 1000, sent: second.due - second.dropped - second.lost };
}

// Figures of a longer time are in the page itself.
function drawKept(drawn) {
  const kept = byId("periods");
  if (!kept) return;
  for (const chart of drawn) {
    JSON.parse(kept.textContent).forEach((period) => chart.add(period, Infinity));
    chart.show();
  }
}

// The agent may be restarting: then there is none, and the events come later.
async function askLoad(seconds) {
  const answer = await fetch(`/api/v1/load?seconds=${seconds}`).catch(() => null);
  return answer?.ok ? answer.json() : null;
}

async function listen() {
  const drawn = typeof uPlot === "undefined" ? [] : charts();
  const show = (second) => {
    const known = figures(second);
    drawn.forEach((chart) => chart.add(known));
    tiles(known);
  };
  if (drawn.length && !byId("periods")) {
    (await askLoad(LONGEST_SECONDS))?.seconds.forEach(show);
    drawn.forEach((chart) => chart.show());
    setInterval(async () => {
      const load = document.hidden ? null : await askLoad(1);
      if (load) sums(load);
    }, SUMS_EVERY_MS);
  }
  drawKept(drawn);
  follow((second) => {
    if (byId("periods")) return;
    show(second);
    drawn.forEach((chart) => chart.show());
  });
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return;
    drawn.forEach((chart) => chart.show());
    renewSoon();
  });
  // A running drill shows how long its phase takes.
  setInterval(() => { if (document.querySelector("[aria-current=step]")) renewSoon(); }, 2000);
}

function follow(show) {
  const stream = new EventSource(document.body.dataset.events);
  const close = () => stream.close();
  const tell = (text, tone) => Object.assign(byId("connection"), { textContent: text, className: tone });
  stream.addEventListener("open", () => { tell("live", "good"); renewSoon(); });
  stream.addEventListener("error", () => {
    tell("not connected", "unsure");
    if (stream.readyState !== EventSource.CLOSED) return;
    // A browser does not try again what was refused, for example because too many streams are open.
    removeEventListener("pagehide", close);
    setTimeout(() => follow(show), REFUSED_AGAIN_MS);
  });
  stream.addEventListener("load", (event) => show(JSON.parse(event.data)));
  for (const name of ["drill", "alerts", "status"]) stream.addEventListener(name, renewSoon);
  addEventListener("pagehide", close);
}

// A page to which the browser comes back may be an old one, without its stream.
addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });

// --- buttons ---

// A second click on the same page asks for the same thing.
const key = crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`;

async function call(button, form) {
  const said = byId(button.dataset.said);
  const body = form ? Object.fromEntries([...new FormData(form)].filter(([, value]) => value !== "")) : {};
  const values = button.dataset.body ? JSON.parse(button.dataset.body) : body;
  button.disabled = true;
  said.textContent = "…";
  try {
    const headers = { "Content-Type": "application/json", "Idempotency-Key": key };
    const answer = await fetch(button.dataset.call, { method: "POST", headers, body: JSON.stringify(values) });
    const text = await answer.text();
    said.textContent = answer.ok ? button.dataset.done : told(text);
    // Nobody is writing any more, so its part may renew itself.
    if (answer.ok && form?.contains(document.activeElement)) document.activeElement.blur();
    if (answer.ok && button.dataset.then) location.assign(button.dataset.then);
    renewSoon();
  } catch (error) {
    said.textContent = `the agent does not answer: ${error.message}`;
  }
  button.disabled = false;
}

function told(text) {
  try {
    const { title, detail } = JSON.parse(text);
    return [title, detail].filter(Boolean).join(": ");
  } catch {
    return text;
  }
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-call]");
  if (!button) return;
  event.preventDefault();
  const form = button.closest("form");
  if (form && !form.reportValidity()) return;
  call(button, form);
});
document.addEventListener("submit", (event) => {
  if (event.target.querySelector("button[data-call]")) event.preventDefault();
});
if (document.body.dataset.events) listen();
