"use strict";
(() => {
const $ = (sel, of) => (of || document).querySelector(sel);
const make = (tag, props, ...children) => {
  const el = document.createElement(tag);
  for (const [k, v] of Object.entries(props || {})) {
    if (k in el && k !== "role") el[k] = v; else el.setAttribute(k, v);
  }
  el.append(...children.filter(c => c != null));
  return el;
};

// Colours: Okabe and Ito's, which people tell apart who see colours differently,
// lighter for a dark page. Beyond eight, lines are dashed.
const palettes = {
  light: ["#0072b2", "#d55e00", "#007a5a", "#a3568a", "#8a6d00", "#3b8fc2", "#000000", "#7f7f7f"],
  dark: ["#56b4e9", "#ff9a4d", "#35d0a2", "#e29bc9", "#f0e442", "#8fd0f5", "#f2f2f2", "#a6a6a6"],
};
let printing = false;
const isDark = () => {
  if (printing) return false;
  const t = document.documentElement.dataset.theme;
  return t ? t === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
};
const color = i => palettes[isDark() ? "dark" : "light"][i % 8];
const ink = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// Numbers for people.
const digits = v => {
  if (v === 0) return "0";
  const a = Math.abs(v);
  return a >= 100 ? v.toFixed(0) : a >= 10 ? String(+v.toFixed(1)) : a >= 1 ? String(+v.toFixed(2)) : String(+v.toPrecision(3));
};
const steps = (v, by, names) => {
  let i = 0;
  while (Math.abs(v) >= by && i < names.length - 1) { v /= by; i++; }
  return digits(v) + names[i];
};
const seconds = v => {
  v = +v.toPrecision(3); // or 0.9999 ms would be 1000 µs
  const a = Math.abs(v);
  if (a === 0) return "0";
  if (a < 1e-6) return digits(v * 1e9) + " ns";
  if (a < 1e-3) return digits(v * 1e6) + " µs";
  if (a < 1) return digits(v * 1e3) + " ms";
  if (a < 120) return digits(v) + " s";
  return digits(v / 60) + " min";
};
const show = (unit, v) => {
  if (v == null || Number.isNaN(v)) return "–";
  switch (unit) {
    case "seconds": return seconds(v);
    case "bytes": return steps(v, 1000, [" B", " kB", " MB", " GB", " TB"]);
    case "bytes/s": return steps(v, 1000, [" B/s", " kB/s", " MB/s", " GB/s"]);
    case "1/s": return steps(v, 1000, ["/s", "k/s", "M/s", "G/s"]);
    case "cores": return digits(v) + (Math.abs(v) === 1 ? " core" : " cores");
    case "ratio": return digits(v * 100) + " %";
    default: return steps(v, 1000, ["", "k", "M", "G"]);
  }
};
const clock = v => {
  const sign = v < 0 ? "-" : "";
  v = Math.abs(v);
  const h = Math.floor(v / 3600), m = Math.floor(v / 60) % 60, s = v % 60;
  const two = n => String(n).padStart(2, "0");
  const secs = Number.isInteger(s) ? two(s) : s.toFixed(1).padStart(4, "0");
  return sign + (h ? h + ":" + two(m) : m) + ":" + secs;
};
const nines = p => p >= 100 ? 6 : -Math.log10(1 - p / 100);
const percent = x => 100 * (1 - Math.pow(10, -x));
const rowTime = i => Math.pow(2, i / 4) / 1e9;

// whole has what JSON leaves out where it is empty.
const whole = d => {
  for (const c of d.charts) if (!c.heat && !c.curve) { c.x ??= []; c.lines ??= []; }
  return d;
};
const data = whole(JSON.parse($("#data").textContent));
let logScale = false;
const views = new Map(); // charts by ID
const axes = new Map(); // zoom and cursor by the name of the axis

const axisOf = name => {
  if (!axes.has(name)) axes.set(name, {key: "axis " + name, zoom: null, views: new Set()});
  return axes.get(name);
};

// View is a chart in its place.
class View {
  constructor(figure, chart) {
    this.figure = figure;
    this.chart = chart;
    this.kind = chart.heat ? "heat" : chart.curve ? "curve" : "time";
    this.hidden = new Set(); // labels
    this.axis = this.kind === "curve" ? null : axisOf(chart.axis || "");
    if (this.axis) this.axis.views.add(this);
    this.build();
  }

  build() {
    const c = this.chart;
    const id = "chart-" + c.id;
    this.title = make("figcaption", {id: id + "-title"}, c.title);
    this.plot = make("div", {className: "plot", tabIndex: 0, role: "img"});
    this.plot.setAttribute("aria-describedby", id + "-keys");
    this.legend = make("div", {className: "legend"});
    this.note = make("p", {className: "note"}, c.note || "");
    this.note.hidden = !c.note;
    this.table = make("details", {className: "table"}, make("summary", {}, "As a table"));
    this.table.addEventListener("toggle", () => this.fillTable());
    this.figure.replaceChildren(this.title, this.plot, this.legend, this.note, this.table);
    this.figure.setAttribute("aria-labelledby", id + "-title");
    this.plot.addEventListener("keydown", e => this.key(e));
    touch(this);
    this.describe();
    this.drawLegend();
  }

  // series are what is drawn: {label, color, dashed, values}.
  series() {
    const c = this.chart;
    if (this.kind === "curve") return c.curve;
    return c.lines || [];
  }

  describe() {
    const c = this.chart;
    let text = c.title + ". ";
    if (this.kind === "heat") {
      text += "How times are spread over time; the percentiles above say the same in numbers.";
    } else {
      text += this.series().slice(0, 8).map(s => {
        if (this.kind === "curve") {
          const at = p => s.points.reduce((v, q) => q[0] <= p ? q[1] : v, NaN);
          return `${s.label}: half within ${show(c.unit, at(50))}, 99 percent within ${show(c.unit, at(99))}`;
        }
        const seen = s.values.filter(v => v != null);
        if (!seen.length) return s.label + ": no values";
        let low = Infinity, high = -Infinity;
        for (const v of seen) { low = Math.min(low, v); high = Math.max(high, v); }
        return `${s.label}: ${show(c.unit, low)} to ${show(c.unit, high)}, ${show(c.unit, seen[seen.length - 1])} at the end`;
      }).join("; ") + ". Arrow keys move along it.";
    }
    this.plot.setAttribute("aria-label", text);
  }

  drawLegend() {
    const keys = this.series().map((s, i) => {
      const swatch = make("span", {className: "swatch" + (s.dashed ? " dashed" : "")});
      swatch.style.color = color(s.color);
      const value = make("span", {className: "value"});
      const button = make("button", {type: "button"}, swatch, make("span", {}, s.label), value);
      button.setAttribute("aria-pressed", String(!this.hidden.has(s.label)));
      button.title = "Show or hide " + s.label;
      button.addEventListener("click", () => {
        if (!this.hidden.delete(s.label)) this.hidden.add(s.label);
        button.setAttribute("aria-pressed", String(!this.hidden.has(s.label)));
        if (this.u) this.u.setSeries(i + 1, {show: !this.hidden.has(s.label)});
      });
      return {button, value};
    });
    this.when = make("span", {className: "when"});
    this.values = keys.map(k => k.value);
    this.legend.replaceChildren(...keys.map(k => k.button), this.when);
    this.legend.hidden = !keys.length && this.kind !== "heat";
  }

  columns() {
    const c = this.chart;
    if (this.kind === "heat") return [c.heat.x, c.heat.x.map(() => null)];
    if (this.kind === "time") return [c.x, ...c.lines.map(l => l.values)];
    const xs = [...new Set(c.curve.flatMap(s => s.points.map(p => nines(p[0]))))].sort((a, b) => a - b);
    const at = new Map(xs.map((x, i) => [x, i]));
    return [xs, ...c.curve.map(s => {
      const v = xs.map(() => undefined);
      for (const p of s.points) v[at.get(nines(p[0]))] = p[1];
      return v;
    })];
  }

  rows() { // of a heat map
    let low = Infinity, high = -Infinity;
    for (const cell of this.chart.heat.cells) { low = Math.min(low, cell[1]); high = Math.max(high, cell[1]); }
    return low > high ? [0, 1] : [low - 1, high + 2];
  }

  draw() {
    if (this.u) this.u.destroy();
    this.u = null;
    const c = this.chart;
    const columns = this.columns();
    this.figure.classList.add("drawn");
    if (!columns[0].length) {
      this.plot.replaceChildren(make("p", {className: "note"}, "There is nothing of it."));
      return;
    }
    this.plot.replaceChildren();
    const axisInk = ink("--ink2"), grid = ink("--grid");
    const axis = {stroke: axisInk, grid: {stroke: grid, width: 1}, ticks: {stroke: grid, width: 1, size: 4}, font: "12px system-ui, sans-serif"};
    const isTime = c.unit === "seconds" && this.kind !== "heat";
    const log = logScale && isTime;
    const y = this.kind === "heat"
      ? {range: () => this.rows()}
      : log ? {distr: 3, log: 10} : {range: (u, low, high) => this.yRange(low, high)};
    const opts = {
      width: this.width(), height: this.height(), padding: [this.axis ? 20 : 10, 14, 0, 4],
      legend: {show: false},
      cursor: {drag: {x: this.kind !== "curve", y: false, setScale: false}, points: {size: 6}, y: false},
      scales: {x: {time: false, range: (u, low, high) => this.xRange(low, high)}, y},
      axes: [
        {...axis, space: 60, size: 28, values: this.kind === "curve" ? (u, at) => at.map(x => x === 0 ? "0" : +percent(x).toPrecision(7) + " %") : (u, at) => at.map(clock),
          splits: this.kind === "curve" ? () => [0, nines(50), 1, 2, 3, 4, 5].filter(x => x <= columns[0][columns[0].length - 1] + 0.01) : undefined,
          incrs: this.kind === "curve" ? undefined : [0.1, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400]},
        {...axis, size: 66, values: (u, at) => at.map(v => v == null ? "" : this.kind === "heat" ? seconds(rowTime(v)) : log && !/^1e/.test(v.toExponential()) ? "" : show(c.unit, v)),
          splits: this.kind === "heat" ? () => heatSplits(this.rows()) : undefined},
      ],
      series: [{}, ...(this.kind === "heat" ? [{show: true, paths: () => null, points: {show: false}}] : this.series().map(s => ({
        label: s.label, stroke: color(s.color), width: 1.6, dash: s.dashed ? [6, 4] : undefined, show: !this.hidden.has(s.label),
        spanGaps: this.kind === "curve", points: {show: columns[0].length < 3},
        value: (u, v) => show(c.unit, v),
      })))],
      hooks: {
        drawClear: [u => this.paintHeat(u)],
        draw: [u => this.paint(u)],
        setCursor: [u => this.moved(u)],
        setSelect: [u => this.selected(u)],
      },
    };
    // Others follow the cursor; a drag is for whoever began it to carry out.
    const passes = type => type === "mousemove" || type === "mouseleave";
    if (this.axis) opts.cursor.sync = {key: this.axis.key, setSeries: false, filters: {pub: passes, sub: passes}};
    this.u = new uPlot(opts, columns, this.plot);
    this.u.over.addEventListener("dblclick", e => { e.stopImmediatePropagation(); zoom(this.axis, null); }, true);
  }

  width() { return Math.max(this.plot.clientWidth || this.figure.clientWidth, 200); }
  height() { return this.kind === "heat" ? 240 : 220; }

  xRange(low, high) {
    if (this.kind === "curve") return [0, Math.max(high, 1)];
    const z = this.axis.zoom;
    if (z) return z;
    let from = Infinity, to = -Infinity; // of all charts on the axis
    for (const v of this.axis.views) {
      const xs = v.kind === "heat" ? v.chart.heat.x : v.chart.x;
      if (xs.length) { from = Math.min(from, xs[0]); to = Math.max(to, xs[xs.length - 1]); }
    }
    for (const m of data.marks || []) {
      if ((m.axis || "") === (this.chart.axis || "")) from = Math.min(from, m.at);
    }
    return from < to ? [from, to] : [low, Math.max(high, low + 1)];
  }

  yRange(low, high) {
    for (const l of this.chart.limits || []) {
      if (l.value <= 3 * (high || 0)) high = Math.max(high, l.value);
    }
    low = Math.min(low ?? 0, 0);
    if (high == null || high <= low) high = low + 1;
    if (this.chart.unit === "ratio" && high <= 1 && low >= 0 && high > 0.5) return [0, 1.02];
    return [low, high + (high - low) * 0.06];
  }

  // paint draws what is not a series: phases and limits.
  paint(u) {
    const ctx = u.ctx, px = devicePixelRatio;
    const {left, top, width, height} = u.bbox;
    ctx.save();
    ctx.beginPath(); ctx.rect(left - 2 * px, 0, width + 4 * px, top + height); ctx.clip();
    ctx.font = `${11 * px}px system-ui, sans-serif`;
    ctx.fillStyle = ctx.strokeStyle = ink("--ink2");
    ctx.lineWidth = px;
    if (this.kind !== "curve") {
      const labels = []; // of marks that are close to each other, together
      for (const m of data.marks || []) {
        if ((m.axis || "") !== (this.chart.axis || "")) continue;
        const x = Math.round(u.valToPos(m.at, "x", true));
        if (x < left - 1 || x > left + width) continue;
        ctx.setLineDash([3 * px, 3 * px]);
        ctx.beginPath(); ctx.moveTo(x, top); ctx.lineTo(x, top + height); ctx.stroke();
        const last = labels[labels.length - 1];
        if (last && x < last.x + ctx.measureText(last.text).width + 10 * px) last.text += " · " + m.text;
        else labels.push({x, text: m.text});
      }
      for (const {x, text} of labels) {
        const room = left + width - x > ctx.measureText(text).width + 8 * px;
        ctx.textAlign = room ? "left" : "right";
        ctx.fillText(text, x + (room ? -2 : 2) * px, top - 6 * px);
      }
    }
    for (const l of this.chart.limits || []) {
      const y = Math.round(u.valToPos(l.value, "y", true));
      if (!(y >= top && y <= top + height)) continue;
      ctx.strokeStyle = ctx.fillStyle = ink("--bad");
      ctx.setLineDash([8 * px, 4 * px]);
      ctx.beginPath(); ctx.moveTo(left, y); ctx.lineTo(left + width, y); ctx.stroke();
      ctx.textAlign = "right";
      ctx.fillText(l.label, left + width - 4 * px, y - 4 * px);
    }
    ctx.restore();
  }

  paintHeat(u) {
    if (this.kind !== "heat") return;
    const h = this.chart.heat, ctx = u.ctx;
    const {left, top, width, height} = u.bbox;
    const most = Math.log1p(h.cells.reduce((m, c) => Math.max(m, c[2]), 1));
    const span = h.x.length > 1 ? h.x[1] - h.x[0] : 1;
    ctx.save();
    ctx.beginPath(); ctx.rect(left, top, width, height); ctx.clip();
    const [r, g, b] = isDark() ? [86, 180, 233] : [0, 90, 160];
    for (const [col, row, n] of h.cells) {
      const to = h.x[col], from = col ? h.x[col - 1] : to - span;
      const x0 = u.valToPos(from, "x", true), x1 = u.valToPos(to, "x", true);
      if (x1 < left || x0 > left + width) continue;
      const y0 = u.valToPos(row + 1, "y", true), y1 = u.valToPos(row, "y", true);
      ctx.fillStyle = `rgba(${r},${g},${b},${0.12 + 0.88 * Math.log1p(n) / most})`;
      ctx.fillRect(Math.floor(x0), Math.floor(y0), Math.max(Math.ceil(x1) - Math.floor(x0), 1), Math.max(Math.ceil(y1) - Math.floor(y0), 1));
    }
    ctx.restore();
  }

  moved(u) {
    if (!this.visible && !this.focused) return;
    const i = u.cursor.idx;
    const at = i == null ? null : u.data[0][i];
    this.when.textContent = at == null ? "" : this.kind === "curve" ? +percent(at).toPrecision(6) + " %" : "at " + clock(at);
    if (this.kind === "heat") {
      this.when.textContent = at == null ? "" : "at " + clock(at) + ": " + this.column(i);
      return;
    }
    this.values.forEach((el, k) => { el.textContent = i == null ? "" : show(this.chart.unit, u.data[k + 1][i]); });
  }

  column(i) { // of a heat map, in words
    const cells = this.chart.heat.cells.filter(c => c[0] === i).sort((a, b) => a[1] - b[1]);
    if (!cells.length) return "nothing";
    const n = cells.reduce((sum, c) => sum + c[2], 0);
    return `${n} from ${seconds(rowTime(cells[0][1]))} to ${seconds(rowTime(cells[cells.length - 1][1] + 1))}`;
  }

  // selected zooms to what a drag has selected.
  selected(u) {
    const {left, width} = u.select;
    if (width < 4) return;
    u.setSelect({left: 0, width: 0, top: 0, height: 0}, false);
    zoom(this.axis, [u.posToVal(left, "x"), u.posToVal(left + width, "x")]);
  }

  fullRange() {
    const z = this.axis.zoom;
    this.axis.zoom = null;
    const range = this.xRange(0, 1);
    this.axis.zoom = z;
    return range;
  }

  key(e) {
    if (!this.u || e.ctrlKey || e.metaKey || e.altKey) return;
    const xs = this.u.data[0];
    const step = e.shiftKey ? Math.max(Math.round(xs.length / 20), 1) : 1;
    let i = this.u.cursor.idx ?? -1;
    switch (e.key) {
      case "ArrowRight": i = Math.min(i + step, xs.length - 1); break;
      case "ArrowLeft": i = i < 0 ? xs.length - 1 : Math.max(i - step, 0); break;
      case "Home": i = 0; break;
      case "End": i = xs.length - 1; break;
      case "+": case "=": case "-": {
        if (!this.axis) return;
        const [from, to] = this.axis.zoom || this.fullRange();
        const middle = i >= 0 ? xs[i] : (from + to) / 2;
        const half = (to - from) * (e.key === "-" ? 1 : 0.25);
        const [low, high] = this.fullRange();
        const next = [Math.max(middle - half, low), Math.min(middle + half, high)];
        zoom(this.axis, next[0] <= low && next[1] >= high ? null : next);
        say(`${clock(next[0])} to ${clock(next[1])}`);
        e.preventDefault();
        return;
      }
      case "Escape": case "0":
        if (this.axis) zoom(this.axis, null);
        say("everything");
        return;
      default: return;
    }
    e.preventDefault();
    this.focused = true;
    this.u.setCursor({left: this.u.valToPos(xs[i], "x"), top: this.u.over.clientHeight / 2}, true, true);
    say(this.words(i));
  }

  words(i) {
    const x = this.u.data[0][i];
    if (this.kind === "heat") return clock(x) + ": " + this.column(i);
    const at = this.kind === "curve" ? +percent(x).toPrecision(6) + " percent" : clock(x);
    return at + ": " + this.series().map((s, k) => `${s.label} ${show(this.chart.unit, this.u.data[k + 1][i])}`).join(", ");
  }

  fillTable() {
    if (!this.table.open) return;
    const c = this.chart, columns = this.columns(), xs = columns[0];
    const most = 120, every = Math.max(Math.ceil(xs.length / most), 1);
    const head = make("tr", {}, make("th", {scope: "col"}, this.kind === "curve" ? "percentile" : "time"));
    const body = make("tbody");
    if (this.kind === "heat") {
      head.append(make("th", {scope: "col"}, "times"));
    } else {
      for (const s of this.series()) head.append(make("th", {scope: "col"}, s.label));
    }
    for (let i = 0; i < xs.length; i += every) {
      const row = make("tr", {}, make("th", {scope: "row"}, this.kind === "curve" ? +percent(xs[i]).toPrecision(6) + " %" : clock(xs[i])));
      if (this.kind === "heat") row.append(make("td", {}, this.column(i)));
      else for (const col of columns.slice(1)) row.append(make("td", {}, show(c.unit, col[i])));
      body.append(row);
    }
    const table = make("table", {}, make("thead", {}, head), body);
    const caption = every > 1 ? make("p", {className: "note"}, `Every ${every}th of ${xs.length} points.`) : null;
    const scroll = make("div", {className: "scroll", tabIndex: 0, role: "region"}, table);
    scroll.setAttribute("aria-label", c.title + ", as a table");
    this.table.replaceChildren(this.table.firstElementChild, scroll, ...(caption ? [caption] : []));
  }
}

const heatSplits = ([low, high]) => {
  const out = [];
  for (let e = -9; e < 6; e++) {
    for (const m of high - low > 48 ? [1] : [1, 3]) {
      const i = 4 * Math.log2(m * Math.pow(10, e) * 1e9);
      if (i > low && i < high) out.push(i);
    }
  }
  return out;
};

const zoom = (axis, range) => {
  if (!axis) return;
  axis.zoom = range;
  for (const v of axis.views) {
    if (!v.u) continue;
    const [min, max] = range || v.fullRange();
    v.u.setScale("x", {min, max});
  }
  $("#everything").hidden = ![...axes.values()].some(a => a.zoom);
};

let saying;
const say = text => {
  clearTimeout(saying);
  saying = setTimeout(() => { $("#said").textContent = text; }, 60);
};

// touch moves the cursor with a finger, and leaves scrolling to the page.
const touch = view => {
  const move = e => {
    if (!view.u || e.touches.length !== 1) return;
    const r = view.u.over.getBoundingClientRect();
    view.u.setCursor({left: e.touches[0].clientX - r.left, top: e.touches[0].clientY - r.top}, true, true);
  };
  view.plot.addEventListener("touchstart", move, {passive: true});
  view.plot.addEventListener("touchmove", move, {passive: true});
};

// Charts are drawn when they come near the view: a page has dozens.
const near = new IntersectionObserver(entries => {
  for (const e of entries) {
    const v = e.target.view;
    v.visible = e.isIntersecting;
    if (v.visible && (!v.u || v.stale)) { v.stale = false; v.draw(); }
  }
}, {rootMargin: "400px 0px"});

const sized = new ResizeObserver(entries => {
  for (const e of entries) {
    const v = e.target.view;
    if (v.u && Math.abs(v.u.width - v.width()) > 1) v.u.setSize({width: v.width(), height: v.height()});
  }
});

const place = () => {
  const byID = new Map(data.charts.map(c => [c.id, c]));
  for (const figure of document.querySelectorAll("figure[data-chart]")) {
    const chart = byID.get(figure.dataset.chart);
    if (!chart || figure.view) continue;
    const view = new View(figure, chart);
    figure.view = view;
    views.set(chart.id, view);
    near.observe(figure);
    sized.observe(figure);
  }
};

const redraw = () => {
  for (const v of views.values()) {
    v.drawLegend();
    if (v.visible || printing) v.draw(); else v.stale = true;
  }
};

// Theme.
const themes = ["", "light", "dark"];
const store = {
  get: () => { try { return localStorage.getItem("scaletest-theme") || ""; } catch { return ""; } },
  set: t => { try { localStorage.setItem("scaletest-theme", t); } catch { /* a file of a browser that keeps nothing */ } },
};
const setTheme = t => {
  if (t) document.documentElement.dataset.theme = t; else delete document.documentElement.dataset.theme;
  $("#theme").textContent = "Theme: " + (t || "as the system");
};
setTheme(themes.includes(store.get()) ? store.get() : "");
$("#theme").addEventListener("click", () => {
  const t = themes[(themes.indexOf(document.documentElement.dataset.theme || "") + 1) % 3];
  store.set(t);
  setTheme(t);
  redraw();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
$("#scale").addEventListener("click", e => {
  logScale = !logScale;
  e.currentTarget.setAttribute("aria-pressed", String(logScale));
  redraw();
});
$("#everything").addEventListener("click", () => { for (const a of axes.values()) zoom(a, null); });
addEventListener("beforeprint", () => { printing = true; redraw(); });
addEventListener("afterprint", () => { printing = false; redraw(); });

place();
document.documentElement.dataset.ready = "";

// Live.
if ("live" in document.documentElement.dataset) {
  let since = data.until, failures = 0;
  // merge puts the points of news behind those that are there.
  const merge = (old, next) => {
    if (old.curve || next.curve) return Object.assign(old, next);
    const xs = c => c.heat ? c.heat.x : c.x || [];
    const from = xs(old).length, add = xs(next).length;
    if (old.heat) {
      for (const x of next.heat.x) old.heat.x.push(x);
      for (const [col, row, n] of next.heat.cells) old.heat.cells.push([col + from, row, n]);
      return old;
    }
    for (const x of next.x || []) old.x.push(x);
    const known = new Map(old.lines.map(l => [l.label, l]));
    for (const l of next.lines || []) {
      let to = known.get(l.label);
      if (!to) {
        to = {...l, values: Array(from).fill(null)};
        old.lines.push(to);
        known.set(l.label, to);
      }
      to.values.push(...l.values);
    }
    for (const l of old.lines) while (l.values.length < from + add) l.values.push(null);
    return old;
  };
  const news = async () => {
    let next;
    try {
      const answer = await fetch("news?since=" + encodeURIComponent(JSON.stringify(since)), {cache: "no-store"});
      if (!answer.ok) throw new Error(answer.status);
      next = await answer.json();
      failures = 0;
    } catch {
      if (++failures === 4) $("[data-live-status]").textContent = "The run has ended, or its process is gone: this is the last that was heard of it.";
      setTimeout(news, Math.min(1000 * failures, 10000));
      return;
    }
    if (next.ended) { // the page of the result, in the place of this one
      location.reload();
      return;
    }
    since = next.until;
    for (const [id, html] of Object.entries(next.parts || {})) {
      const el = document.getElementById(id);
      if (!el || el.html === html) continue;
      el.html = html;
      const open = [...el.querySelectorAll("details")].map(d => d.open);
      el.innerHTML = html;
      el.querySelectorAll("details").forEach((d, i) => { d.open = Boolean(open[i]); });
    }
    data.marks = next.data.marks;
    whole(next.data);
    const byID = new Map(data.charts.map(c => [c.id, c]));
    for (const c of next.data.charts) {
      const old = byID.get(c.id);
      if (old) merge(old, c); else data.charts.push(c);
    }
    place();
    if (data.charts.some(c => !views.has(c.id))) { // there is no place for it: the page of now has one
      location.reload();
      return;
    }
    for (const v of views.values()) {
      if (v.series().length !== v.values.length) { v.drawLegend(); v.u?.destroy(); v.u = null; }
      if (!v.visible) { v.stale = true; continue; }
      if (!v.u || v.kind === "heat") { v.draw(); continue; }
      v.u.setData(v.columns());
      v.describe();
    }
    setTimeout(news, 1000);
  };
  setTimeout(news, 1000);
  $("#stop")?.addEventListener("click", async e => {
    if (!confirm("Stop the run? Iterations that run may end, then everything is cleaned up.")) return;
    e.currentTarget.disabled = true;
    const answer = await fetch("stop", {method: "POST", headers: {"X-Stop": e.currentTarget.dataset.token}});
    e.target.textContent = answer.ok ? "Stopping" : "Could not be stopped";
  });
}
})();
