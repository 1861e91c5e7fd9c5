"use strict";
// Reads the values of a figure from its paths; the figure is complete without it.
// Also lets keys reach the cards that scroll, for browsers that do not do so by themselves.

const CLOCK_STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400];
const HELP = "Point at the figure for its values; drag to enlarge a time, double-click to go back. With keys: ← and → move, "
  + "+ and − enlarge and reduce, Esc goes back. Click on an entry of a legend to hide it.";
const SVG = "http://www.w3.org/2000/svg";

function made(name, attributes, parent) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  parent.append(element);
  return element;
}

// The points of a path that plot.py wrote: [x, y, whether the line reaches the point]. What closes an area is left out.
function points(path) {
  const found = [];
  let x = 0, y = 0, closing = false;
  for (const [, letter, rest] of path.getAttribute("d").matchAll(/([A-Za-z])([^A-Za-z]*)/g)) {
    const numbers = (rest.match(/-?(?:\d+\.?\d*|\.\d+)/g) || []).map(Number);
    if (letter === "M") {
      [x, y] = numbers;
      closing = false;
      found.push([x, y, false]);
    } else if (letter === "V") closing = true;
    else if (closing) continue;
    else if (letter === "h") found.push([x += numbers[0], y, true]);
    else if (letter === "v") found.push([x, y += numbers[0], true]);
    else if (letter === "l") for (let i = 0; i < numbers.length; i += 2) found.push([x += numbers[i], y += numbers[i + 1], true]);
  }
  return found;
}

// The index of the last point that is not after an instant, or -1.
function before(found, x) {
  let low = 0, high = found.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (found[middle][0] <= x) low = middle + 1; else high = middle;
  }
  return low - 1;
}

// The y of a line at an instant: of steps the last one, of other lines the nearest one; undefined in a gap.
function depthAt(found, x, isStep, reach) {
  const at = before(found, x), last = found[at], next = found[at + 1];
  const inside = last && next && next[2];
  if (isStep) return last && (inside || x - last[0] <= reach) ? last[1] : undefined;
  if (inside) return x - last[0] <= next[0] - x ? last[1] : next[1];
  if (last && x - last[0] <= reach) return last[1];
  return next && next[0] - x <= reach ? next[1] : undefined;
}

function duration(seconds) {
  const size = Math.abs(seconds);
  for (const [unit, factor] of [["s", 1], ["ms", 1e-3], ["µs", 1e-6]]) {
    if (size >= factor) return `${+(seconds / factor).toPrecision(4)}${unit}`;
  }
  return seconds === 0 ? "0s" : `${+(seconds / 1e-9).toPrecision(3)}ns`;
}

function spelled(value, unit) {
  if (unit === "s") return duration(value);
  const number = Math.abs(value) >= 1e9 ? value.toPrecision(4) : (+value.toPrecision(5)).toLocaleString("en", {maximumFractionDigits: 9});
  return unit === "" || unit === "%" ? number + unit : `${number} ${unit}`;
}

function interactive(plot, number) {
  const {kind} = plot.dataset, zero = Number(plot.dataset.zero);
  const home = [Number(plot.dataset.start), Number(plot.dataset.end)];
  let view = home, at = null, drag = null;
  const rows = [...plot.querySelectorAll(".area")].map(area => readRow(area));
  const labels = plot.querySelector(".x");
  const told = document.createElement("p"), tip = document.createElement("p");
  told.className = "told";
  told.setAttribute("aria-live", "polite");
  tip.className = "tip hidden";
  // Said once on a page.
  const help = number === 0 ? HELP : "";
  plot.append(told, tip);
  plot.tabIndex = 0;
  plot.setAttribute("role", "group");
  plot.setAttribute("aria-label", HELP);

  function readRow(area) {
    const data = area.querySelector(".data"), row = area.parentElement;
    const {top, step, unit, log} = data.dataset;
    const lines = [...data.querySelectorAll(".line:not(.threshold), .step")].map(path => ({path, found: points(path)}));
    const areas = [...data.querySelectorAll(".fill")].reverse().map(path => ({path, found: points(path)}));
    const value = depth => log === undefined ? (top - depth) * step : 10 ** ((top - depth) * step);
    const keys = [...row.querySelectorAll(".key")];
    return {area, data, row, unit, lines, areas, value, keys, base: top / 1, step: Number(step),
      hair: made("line", {class: "cross-hair hidden", y2: "100%"}, area)};
  }

  const share = x => (x - view[0]) / (view[1] - view[0]);
  const percent = x => `${100 * share(x)}%`;

  function draw() {
    const [start, end] = view;
    for (const {data} of rows) data.setAttribute("viewBox", `${start} 0 ${end - start} ${data.viewBox.baseVal.height}`);
    if (plot.dataset.kind !== "percentile") drawTicks();
    for (const element of plot.querySelectorAll("[data-x]")) {
      const x = Number(element.dataset.x), isOutside = x < start || x > end;
      if (element.style && element.namespaceURI !== SVG) element.style.setProperty("--x", percent(Math.min(Math.max(x, start), end)));
      else if (element.tagName === "line") { element.setAttribute("x1", percent(x)); element.setAttribute("x2", percent(x)); }
      else element.setAttribute("x", percent(x));
      if (element.parentElement === labels) element.classList.toggle("hidden", isOutside);
    }
    showAt(at);
  }

  function ticks() {
    const [start, end] = view, least = (end - start) / 7, unit = 10 ** Math.floor(Math.log10(least));
    let step = [1, 2, 5, 10].map(factor => factor * unit).find(one => one >= least * 0.999999);
    if (kind === "clock") step = CLOCK_STEPS.find(one => one >= least) || step;
    const found = [];
    for (let n = Math.ceil((zero + start) / step - 1e-9); n <= (zero + end) / step + 1e-9; n++) found.push(n * step - zero);
    return [found, step];
  }

  function drawTicks() {
    const [found, step] = ticks(), decimals = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
    const text = x => kind === "clock" ? clock(x, step) : (x || 0).toLocaleString("en", {minimumFractionDigits: decimals, maximumFractionDigits: decimals});
    labels.replaceChildren(...found.map(x => {
      const label = document.createElement("span");
      label.dataset.x = x;
      label.textContent = text(x);
      return label;
    }));
    for (const {area} of rows) {
      const grid = area.querySelector(".x-grid");
      grid.replaceChildren();
      for (const x of found) made("line", {y2: "100%", "data-x": x}, grid);
    }
  }

  const clock = (x, step) => new Date((zero + x) * 1000).toISOString().slice(...(step < 60 ? [11, 19] : step < 86400 ? [11, 16] : [5, 10]));

  function instant(x) {
    const digits = Math.max(0, Math.min(3, Math.ceil(2.5 - Math.log10(view[1] - view[0]))));
    if (kind === "after") return `${x < 0 ? "−" : "+"}${Math.abs(x).toFixed(digits)} s after the fault`;
    if (kind === "seconds") return `${x.toFixed(digits)} s after the start`;
    if (kind === "rate") return `${spelled(x, "")} a second`;
    if (kind === "percentile") return `${+(100 * (1 - 10 ** -x)).toFixed(6)}%`;
    return `${new Date((zero + x) * 1000).toISOString().slice(0, 19).replace("T", " ")} UTC`;
  }

  const isOn = key => key.getAttribute("aria-pressed") === "true";
  const isShown = (row, key) => row.keys[key] === undefined || isOn(row.keys[key]);

  function showAt(x) {
    at = x;
    for (const row of rows) {
      row.hair.classList.toggle("hidden", x === null);
      if (x !== null) { row.hair.setAttribute("x1", percent(x)); row.hair.setAttribute("x2", percent(x)); }
      for (const key of row.keys) key.querySelector("output").textContent = "";
      if (x !== null) showValues(row, x);
    }
    told.textContent = x === null ? help : [instant(x), ...rows.flatMap(row => textsAt(row, x))].join("\n");
  }

  function showValues(row, x) {
    const reach = (view[1] - view[0]) / 100, show = (path, value) => {
      const key = row.keys[path.dataset.key];
      if (key && value !== undefined) key.querySelector("output").textContent = spelled(value, row.unit);
    };
    for (const {path, found} of row.lines) {
      const depth = depthAt(found, x, path.classList.contains("step"), reach);
      if (depth !== undefined) show(path, row.value(depth));
    }
    const counts = countsAt(row, x);
    row.areas.forEach(({path}, n) => show(path, counts[n]));
  }

  // Each area reaches from its top down to the base; where there is no area the count is 0.
  function countsAt(row, x) {
    let below = 0;
    const tops = row.areas.map(({found}) => depthAt(found, x, true, 0));
    if (tops.every(top => top === undefined)) return row.areas.map(({found}) => found.length && x > found[0][0] ? 0 : undefined);
    return tops.map(top => {
      const value = top === undefined ? below : row.value(top), count = value - below;
      below = value;
      return Math.abs(count) < row.step / 2 ? 0 : count;
    });
  }

  function textsAt(row, x) {
    const near = (view[1] - view[0]) * 6 / Math.max(row.area.clientWidth, 1);
    const bars = [...row.data.querySelectorAll("rect")].filter(bar => {
      const start = bar.x.baseVal.value;
      return start - near <= x && x <= start + bar.width.baseVal.value + near;
    });
    const marks = [...row.area.querySelectorAll(".mark")].filter(mark => Math.abs(Number(mark.dataset.x) - x) <= near);
    return [...bars, ...marks].filter(one => isShown(row, one.dataset.key)).map(one => one.dataset.tip.replaceAll("\n", ", "));
  }

  // Draws the areas again, without those that are hidden.
  function stack(row) {
    const all = [...new Set(row.areas.flatMap(({found}) => found.map(([x]) => x)))].sort((a, b) => a - b);
    const paths = row.areas.map(() => "");
    for (let i = 0; i + 1 < all.length; i++) {
      const counts = countsAt(row, (all[i] + all[i + 1]) / 2);
      let below = 0;
      row.areas.forEach(({path}, n) => {
        if (!counts[n] || !isShown(row, path.dataset.key)) return;
        below += counts[n];
        paths[n] += `M${all[i]} ${row.base - below / row.step}H${all[i + 1]}V${row.base}H${all[i]}z`;
      });
    }
    row.areas.forEach(({path}, n) => path.setAttribute("d", paths[n]));
  }

  function toggle(row, key) {
    key.setAttribute("aria-pressed", String(!isOn(key)));
    for (const element of row.area.querySelectorAll(`[data-key="${key.dataset.key}"]`)) {
      element.classList.toggle("hidden", !isOn(key));
    }
    if (row.areas.some(({path}) => path.dataset.key === key.dataset.key)) stack(row);
    showAt(at);
  }

  function zoom(start, end) {
    const length = Math.min(Math.max(end - start, (home[1] - home[0]) / 1e4), home[1] - home[0]);
    const first = Math.min(Math.max(start, home[0]), home[1] - length);
    view = [first, first + length];
    draw();
  }

  function placeOf(event) {
    const {left, width} = rows[0].area.getBoundingClientRect();
    return view[0] + Math.min(Math.max((event.clientX - left) / width, 0), 1) * (view[1] - view[0]);
  }

  function showTip(event) {
    const target = event.target.closest("[data-tip]");
    tip.classList.toggle("hidden", !target || drag !== null);
    if (!target) return;
    tip.textContent = target.dataset.tip;
    const box = plot.getBoundingClientRect(), x = event.clientX - box.left, y = event.clientY - box.top;
    tip.style.left = `${Math.max(0, Math.min(x + 12, box.width - tip.offsetWidth))}px`;
    tip.style.top = `${y + 16}px`;
  }

  function choose(end) {
    for (const part of drag.parts) {
      const [low, high] = [drag.start, end].sort((a, b) => a - b);
      part.setAttribute("x", percent(low));
      part.setAttribute("width", `${100 * (share(high) - share(low))}%`);
    }
  }

  for (const row of rows) {
    for (const title of row.area.querySelectorAll("[data-key] > title")) {
      title.parentElement.dataset.tip = title.textContent;
      title.remove();
    }
    // As a title, a browser would show it beside each value.
    const title = row.area.querySelector("title");
    row.area.removeAttribute("aria-labelledby");
    row.area.setAttribute("aria-label", title.textContent);
    row.area.setAttribute("aria-describedby", row.area.querySelector("desc").id);
    title.remove();
    for (const key of row.keys) {
      key.disabled = false;
      key.addEventListener("click", () => toggle(row, key));
    }
    row.area.addEventListener("pointerdown", event => {
      if (event.button !== 0) return;
      row.area.setPointerCapture(event.pointerId);
      drag = {start: placeOf(event), from: event.clientX,
        parts: rows.map(({area}) => made("rect", {class: "chosen", height: "100%", width: 0}, area))};
    });
    row.area.addEventListener("pointermove", event => {
      showAt(placeOf(event));
      showTip(event);
      if (drag) choose(placeOf(event));
    });
    const end = event => {
      if (!drag) return;
      const {start, from, parts} = drag;
      drag = null;
      parts.forEach(part => part.remove());
      if (event.type === "pointerup" && Math.abs(event.clientX - from) > 5) zoom(...[start, placeOf(event)].sort((a, b) => a - b));
    };
    row.area.addEventListener("pointerup", end);
    row.area.addEventListener("pointercancel", end);
    row.area.addEventListener("pointerleave", () => { tip.classList.add("hidden"); if (!drag) showAt(null); });
    row.area.addEventListener("dblclick", () => zoom(...home));
  }

  plot.addEventListener("keydown", event => {
    if (event.target !== plot || event.ctrlKey || event.metaKey || event.altKey) return;
    const length = view[1] - view[0], middle = at === null ? (view[0] + view[1]) / 2 : at;
    const step = length / (event.shiftKey ? 10 : 100);
    const actions = {
      ArrowLeft: () => showAt(Math.max(view[0], middle - step)), ArrowRight: () => showAt(Math.min(view[1], middle + step)),
      Home: () => showAt(view[0]), End: () => showAt(view[1]),
      "+": () => zoom(middle - length / 4, middle + length / 4), "-": () => zoom(middle - length, middle + length),
      Escape: () => { at = null; zoom(...home); },
    };
    actions["="] = actions["+"];
    if (!actions[event.key]) return;
    event.preventDefault();
    actions[event.key]();
  });

  draw();
}

document.querySelectorAll(".plot").forEach(interactive);

function reachable(card) {
  if (card.scrollWidth > card.clientWidth) card.tabIndex = 0; else card.removeAttribute("tabindex");
}
document.querySelectorAll(".card").forEach(card => new ResizeObserver(() => reachable(card)).observe(card));
