// The custom element gd-explorer: gradient descent for a line, live.  utils/explorer.py writes the
// element and gives it every number in data-config.  The arithmetic is that of utils, in the same
// order.  Out comes the event "gd-change".  Without script the still figure inside it stays.
(() => {
  "use strict";
  if (customElements.get("gd-explorer")) return;

  // NumPy's pairwise summation of a[from], ..., a[from + n - 1].
  function sum(a, from, n) {
    if (n < 8) {
      let total = -0;
      for (let i = 0; i < n; i++) total += a[from + i];
      return total;
    }
    if (n > 128) {
      const half = (n >> 1) - ((n >> 1) % 8);
      return sum(a, from, half) + sum(a, from + half, n - half);
    }
    let [r0, r1, r2, r3, r4, r5, r6, r7] = a.subarray(from, from + 8);
    let i = from + 8;
    for (const stop = from + n - (n % 8); i < stop; i += 8) {
      r0 += a[i]; r1 += a[i + 1]; r2 += a[i + 2]; r3 += a[i + 3];
      r4 += a[i + 4]; r5 += a[i + 5]; r6 += a[i + 6]; r7 += a[i + 7];
    }
    let total = r0 + r1 + (r2 + r3) + (r4 + r5 + (r6 + r7));
    for (; i < from + n; i++) total += a[i];
    return total;
  }

  // Each rule is made once per run and parameter, and turns a gradient into what is subtracted.
  const RULES = {
    gd: (lr) => (g) => lr * g,
    momentum(lr, { momentum }) {
      let v = 0;
      return (g) => lr * (v = momentum * v + g);
    },
    rmsprop(lr, { alpha, eps }) {
      let square = 0;
      return (g) => {
        square = alpha * square + (1 - alpha) * g * g;
        return (lr * g) / (Math.sqrt(square) + eps);
      };
    },
    adam(lr, { betas: [beta1, beta2], eps }) {
      let mean = 0, square = 0, steps = 0;
      return (g) => {
        steps += 1;
        mean = beta1 * mean + (1 - beta1) * g;
        square = beta2 * square + (1 - beta2) * g * g;
        const root = Math.sqrt(square) / Math.sqrt(1 - beta2 ** steps) + eps;
        return (lr / (1 - beta1 ** steps)) * (mean / root);
      };
    },
  };

  class Model {
    constructor({ x, y, orders, optimizers }) {
      const bytes = (base64) => Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
      this.x = new Float64Array(bytes(x).buffer);
      this.y = new Float64Array(bytes(y).buffer);
      this.n = this.x.length;
      this.hyper = optimizers;
      this.orders = {};
      for (const seed in orders) this.orders[seed] = Uint8Array.from(orders[seed], (c) => c.charCodeAt(0) - 40);
      this.gb = new Float64Array(this.n);
      this.gw = new Float64Array(this.n);
    }

    loss(b, w) {
      const { x, y, n, gb } = this;
      for (let i = 0; i < n; i++) {
        const error = y[i] - b - w * x[i];
        gb[i] = error * error;
      }
      return sum(gb, 0, n) / n;
    }

    // The indices of the points that update k (from 1) looks at.
    batch(s, k) {
      const perEpoch = Math.ceil(this.n / s.batch);
      const epoch = Math.floor((k - 1) / perEpoch);
      const first = ((k - 1) % perEpoch) * s.batch;
      const size = Math.min(s.batch, this.n - first);
      if (s.batch >= this.n || s.order === "given") return [null, first, size];
      return [this.orders[s.seed], first + (s.order === "reshuffled" ? epoch * this.n : 0), size];
    }

    // b, w, J of every iterate; diverged is the step that is no longer finite, or 0.
    descend(s) {
      const { x, y, gb, gw } = this;
      const perEpoch = Math.ceil(this.n / s.batch);
      let updates = s.epochs * perEpoch, diverged = 0;
      const run = { b: new Float64Array(updates + 1), w: new Float64Array(updates + 1) };
      run.J = new Float64Array(updates + 1);
      const rules = [0, 1].map(() => RULES[s.optimizer](s.lr, this.hyper[s.optimizer]));
      let { b, w } = s;
      run.b[0] = b;
      run.w[0] = w;
      run.J[0] = this.loss(b, w);
      for (let k = 1; k <= updates; k++) {
        const [order, first, size] = this.batch(s, k);
        for (let i = 0; i < size; i++) {
          const j = order ? order[first + i] : first + i;
          const error = 2 * (y[j] - b - w * x[j]);
          gb[i] = error * -1;
          gw[i] = error * -x[j];
        }
        b -= rules[0](sum(gb, 0, size) / size);
        w -= rules[1](sum(gw, 0, size) / size);
        const J = this.loss(b, w);
        if (!Number.isFinite(b + w + J)) {
          diverged = k;
          updates = k - 1;
          break;
        }
        run.b[k] = b;
        run.w[k] = w;
        run.J[k] = J;
      }
      return { ...run, updates, diverged };
    }
  }

  // How many float64 numbers lie between a and b, one of them counted.
  function ulps(a, b) {
    const [p, q] = new BigInt64Array(Float64Array.of(a, b).buffer);
    const ordinal = (bits) => (bits < 0n ? -(bits & 0x7fffffffffffffffn) : bits);
    return Math.abs(Number(ordinal(p) - ordinal(q)));
  }

  const clamp = (v, [low, high]) => Math.min(high, Math.max(low, v));
  const text = (v, digits = 6) =>
    (Math.abs(v) < 1e4 ? v.toFixed(digits) : v.toExponential(3)).replace(/-/g, "\u2212");
  const tenth = (v) => Math.round(v * 10) / 10;
  const thousandth = (v) => Math.round(v * 1000) / 1000;
  // Writes only what is new: a write costs style and layout.
  const put = (node, value, key = "textContent") => node[key] !== value && (node[key] = value);

  function svg(parent, tag, attributes = {}) {
    const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const name in attributes) node.setAttribute(name, attributes[name]);
    return parent.appendChild(node);
  }

  // Axes around a clipped inner <svg>.
  class Panel {
    constructor(root, [x, y], labels, { log = false, ticks = [[], []] } = {}) {
      Object.assign(this, { root, x, y, labels, log, ticks });
      this.axes = svg(root, "g");
      this.plot = svg(root, "svg");
    }

    resize(width, height) {
      this.width = Math.max(1, width - 44);
      this.height = Math.max(1, height - 36);
      for (const [name, value] of [["x", 32], ["y", 6], ["width", this.width], ["height", this.height]])
        this.plot.setAttribute(name, value);
      this.drawAxes();
    }

    px = (v) => ((v - this.x[0]) / (this.x[1] - this.x[0])) * this.width;
    py = (v) => {
      const [low, high] = this.log ? this.y.map(Math.log) : this.y;
      return (1 - ((this.log ? Math.log(v) : v) - low) / (high - low)) * this.height;
    };

    drawAxes() {
      const { axes, width, height } = this;
      axes.textContent = "";
      const label = (string, x, y, anchor) =>
        (svg(axes, "text", { x, y, "text-anchor": anchor }).textContent = string);
      svg(axes, "rect", { x: 32, y: 6, width, height, class: "frame" });
      for (const v of this.ticks[0]) {
        svg(axes, "path", { d: `M${tenth(32 + this.px(v))} ${6 + height}v4` });
        label(v, tenth(32 + this.px(v)), height + 20, "middle");
      }
      for (const v of this.ticks[1]) {
        svg(axes, "path", { d: `M32 ${tenth(6 + this.py(v))}h-4` });
        label(v, 25, tenth(10 + this.py(v)), "end");
      }
      label(this.labels[0], 32 + width, height + 33, "end");
      label(this.labels[1], 8, 6 + height / 2, "middle");
    }

    // The points (a[i], b[i]) for i <= last, as a line and as dots; dots on one spot only once.
    trace(a, b, last) {
      let line = "", dots = "", seenX = NaN, seenY = NaN;
      for (let i = 0; i <= last; i++) {
        const x = tenth(this.px(a ? a[i] : i)), y = tenth(this.py(b[i]));
        line += `${i ? "L" : "M"}${clamp(x, FAR)} ${clamp(y, FAR)}`;
        // A run that diverges leaves the map for good; what is drawn ends there.
        if (clamp(x, FAR) !== x || clamp(y, FAR) !== y) break;
        if (!((x - seenX) ** 2 + (y - seenY) ** 2 < 2)) {
          dots += `M${x} ${y}h0`;
          [seenX, seenY] = [x, y];
        }
      }
      return [line, dots];
    }
  }
  const FAR = [-1e5, 1e5];

  // At most count + 1 round numbers from 0 to n.
  function roundTicks(n, count) {
    const rough = n / count, power = 10 ** Math.floor(Math.log10(rough));
    const step = Math.max(1, [1, 2, 5, 10].find((m) => m * power >= rough) * power);
    return Array.from({ length: Math.floor(n / step) + 1 }, (_, i) => i * step);
  }

  const field = (id, name, control, hint = "") =>
    `<div class="field ${id}"><label for="${id}">${name}</label><output for="${id}" id="${id}-value"></output>${control}${hint}</div>`;
  const range = (id, min, max) => `<input type="range" id="${id}" min="${min}" max="${max}" step="1">`;
  const choose = (id, options) =>
    `<select id="${id}">${options.map(([value, name]) => `<option value="${value}">${name}</option>`).join("")}</select>`;
  const panel = (id, title, label, extra = "") =>
    `<figure class="${id}"><figcaption>${title}</figcaption><div class="box"><svg role="img" aria-label="${label}"></svg>${extra}</div></figure>`;

  const NAMES = {
    gd: "gradient descent", momentum: "momentum", rmsprop: "RMSprop", adam: "Adam",
    given: "as given", shuffled: "shuffled once", reshuffled: "reshuffled every epoch",
  };

  function page(config, n) {
    const start = (id) =>
      `<input type="number" id="${id}" min="${config.range[id][0]}" max="${config.range[id][1]}" step="0.05" aria-label="start ${id}">`;
    const groups = {
      batches:
        field("batch", "Batch size", range("batch", 1, n)) +
        field("order", "Order of the points", choose("order", ["given", "shuffled", "reshuffled"].map((o) => [o, NAMES[o]]))) +
        field("seed", "Seed of the shuffle", choose("seed", Object.keys(config.orders).map((s) => [s, s]))),
      optimizers: field("optimizer", "Optimizer", choose("optimizer", Object.keys(config.optimizers).map((o) => [o, NAMES[o]]))),
    };
    const open = (name) => config.show === name || config.show === "all";
    const more = Object.keys(groups).filter((name) => !open(name)).map((name) => groups[name]).join("");
    return `<div class="app" role="group" aria-label="Gradient descent explorer">
<div class="panels">
${panel("map", "Parameter space", `Level curves of J, ellipses around the optimum, with the path of the run`,
    `<div class="handle" role="slider" tabindex="0" aria-label="Start of the run: left and right change b, up and down change w" aria-valuemin="${config.range.b[0]}" aria-valuemax="${config.range.b[1]}"></div>`)}
${panel("data", "Data and current line", `The ${n} training points, the least-squares line (dashed) and the current line`)}
${panel("curve", "Learning curve", `J at every iteration, logarithmic scale; the dashed line is the smallest possible J`)}
</div>
<dl class="values"><div><dt id="unit">step</dt><dd id="k"></dd></div><div><dt>b</dt><dd id="b-now"></dd></div><div><dt>w</dt><dd id="w-now"></dd></div><div><dt>J</dt><dd id="J-now"></dd></div></dl>
<p class="message" id="message"></p>
<div class="bar"><select id="preset" aria-label="Published run"></select><span><button id="play" type="button">Play</button><button id="step" type="button">Step</button><button id="reset" type="button">Reset</button></span></div>
<div class="controls">
${field("lr", "Learning rate \u03b7", range("lr", 0, 1000), `<div class="limit"><span></span></div>`)}
${field("epochs", "Steps", range("epochs", 1, config.steps))}
<div class="field start"><span>Start (b, w)</span><span>${start("b")}${start("w")}</span></div>
${Object.keys(groups).filter(open).map((name) => groups[name]).join("")}
</div>
${more && `<details><summary>More controls</summary><div class="controls">${more}</div></details>`}
<div class="live" role="status"></div>
</div><slot></slot>`;
  }

  const CSS = `
:host { display: block; container-type: inline-size; margin: 1.5em 0; }
slot { display: none; }
.app { --ink: var(--gd-ink, light-dark(#1f2430, #e5e8ee)); --soft: var(--gd-muted, light-dark(#5b6372, #a4acba));
  --hair: var(--gd-line, light-dark(#d5dae2, #414856)); --paper: var(--gd-paper, light-dark(#fff, #171a20));
  --blue: var(--gd-blue, light-dark(#1f5fa8, #86b6f0)); --orange: var(--gd-orange, light-dark(#c8500a, #ff9c5b));
  --stop: var(--gd-stop, light-dark(#b3261e, #ff8a80)); color-scheme: light; color: var(--ink); font-size: .9375rem;
  line-height: 1.4; font-variant-numeric: tabular-nums; max-width: 60rem; margin: auto; text-align: left; }
.dark { color-scheme: dark; }
.app, .app * { box-sizing: border-box; }
.panels { display: grid; gap: .5rem .75rem; grid-template-columns: 1fr 1fr; }
figure { margin: 0; min-width: 0; display: flex; flex-direction: column; }
figcaption { font-size: .8125rem; color: var(--soft); padding-left: 32px; white-space: nowrap; }
.box { position: relative; flex: 1; min-height: 0; aspect-ratio: 1; }
.map { grid-column: 1 / -1; }
.map .box { aspect-ratio: 10 / 9; cursor: crosshair; }
svg { position: absolute; width: 100%; height: 100%; overflow: hidden; display: block; user-select: none; -webkit-user-select: none; }
svg svg { position: static; }
text { fill: var(--soft); font-size: 11px; }
path, .frame { fill: none; stroke: var(--soft); }
.frame { stroke: var(--hair); }
.level { vector-effect: non-scaling-stroke; fill: var(--blue); fill-opacity: .055; stroke: var(--blue); stroke-opacity: .55; }
.level.outer { stroke-opacity: .22; }
.best { stroke: var(--soft); stroke-width: 1.5; }
.dashed { stroke-dasharray: 4 4; }
.dot { stroke-linecap: round; stroke-width: 5; }
.points { stroke: var(--soft); stroke-opacity: .6; }
.batch, .path, .now { stroke: var(--orange); }
.path { stroke-width: 1.25; }
.path.pale { stroke-opacity: .3; }
.path.dot { stroke-width: 3.5; }
.now { stroke-width: 10; }
.halo { stroke: var(--paper); stroke-width: 13; }
.line { stroke: var(--blue); stroke-width: 2; }
.handle { position: absolute; left: -22px; top: -22px; width: 44px; height: 44px; border-radius: 50%;
  touch-action: none; cursor: grab; outline: none; }
.handle::after { content: ""; position: absolute; inset: 14px; border-radius: 50%; background: var(--paper); border: 3px solid var(--orange); }
.handle:active { cursor: grabbing; }
.handle:focus-visible::after { outline: 2px solid var(--ink); outline-offset: 3px; }
.values { display: grid; grid-template-columns: 1.1fr 1fr; gap: .25rem 1rem; margin: .75rem 0 0; padding: .5rem 0 0; border-top: 1px solid var(--hair); }
.values div { display: flex; gap: .5em; align-items: baseline; }
dt { color: var(--soft); }
dd { margin: 0; white-space: nowrap; }
.message { margin: .25rem 0 .75rem; min-height: 5.6em; font-size: .875rem; color: var(--soft); overflow-wrap: anywhere; }
.message.good { color: var(--blue); }
.message.bad { color: var(--stop); }
.bar { display: flex; flex-wrap: wrap; gap: .5rem; justify-content: space-between; }
.bar select { flex: 1 1 14rem; min-width: 0; }
.bar span { display: flex; gap: .5rem; }
button, select, input[type=number] { font: inherit; color: inherit; background: transparent; border: 1px solid var(--soft);
  border-radius: 6px; padding: .25rem .7rem; min-height: 2.125rem; margin: 0; }
button { cursor: pointer; }
button:hover { border-color: var(--ink); }
#play { min-width: 5rem; background: var(--blue); border-color: var(--blue); color: var(--paper); }
:focus-visible { outline: 2px solid var(--blue); outline-offset: 2px; }
.controls { display: grid; gap: 1rem 1.5rem; margin-top: 1rem; grid-template-columns: 1fr; }
.field { display: grid; grid-template-columns: 1fr auto; align-content: start; gap: .125rem .5rem; min-width: 0; }
.field > :nth-child(n + 3) { grid-column: 1 / -1; min-width: 0; }
.start { gap: .25rem; }
.start > span + span { grid-column: 1 / -1; display: grid; grid-template-columns: 1fr 1fr; gap: .5rem; }
input[type=number] { width: 100%; padding: .25rem .5rem; }
.field > :disabled { opacity: .45; }
input[type=range] { appearance: none; width: 100%; height: 28px; margin: 0; background: none; cursor: pointer;
  --track: linear-gradient(var(--hair), var(--hair)); }
input[type=range]::-webkit-slider-runnable-track { height: 4px; border-radius: 2px; background: var(--track); }
input[type=range]::-moz-range-track { height: 4px; border-radius: 2px; background: var(--track); }
input[type=range]::-webkit-slider-thumb { appearance: none; width: 18px; height: 18px; margin-top: -7px; border-radius: 50%;
  background: var(--blue); border: 2px solid var(--paper); }
input[type=range]::-moz-range-thumb { width: 14px; height: 14px; border-radius: 50%; background: var(--blue); border: 2px solid var(--paper); }
#lr { --at: calc(9px + var(--limit, 2) * (100% - 18px)); --track: linear-gradient(90deg, var(--hair) var(--at), var(--stop) var(--at)); }
.limit { font-size: .75rem; height: 1.1rem; margin-top: -.4rem; position: relative; color: var(--stop); }
.limit span { position: absolute; right: calc(100% - 9px - var(--limit, 2) * (100% - 18px)); padding-right: .4em; border-right: 1.5px solid; white-space: nowrap; }
details { margin-top: 1rem; }
summary { cursor: pointer; color: var(--soft); min-height: 1.75rem; width: fit-content; }
.live { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
@container (min-width: 34rem) {
  .panels { grid-template: 1fr 1fr / 1.5fr 1fr; }
  .map { grid-area: 1 / 1 / 3 / 2; }
  .map .box { aspect-ratio: 1; }
  .data .box, .curve .box { aspect-ratio: auto; }
  .controls { grid-template-columns: 1fr 1fr 1fr; }
  .message { min-height: 2.8em; }
  .values { grid-template-columns: 1.2fr 1fr 1fr 1.2fr; }
}
@media (forced-colors: active) {
  .app { --ink: CanvasText; --soft: CanvasText; --hair: GrayText; --paper: Canvas; --blue: Highlight; --orange: LinkText; --stop: Mark; }
}
@media print { .app { display: none; } slot { display: block; } }`;
  let sheet;

  class Explorer extends HTMLElement {
    connectedCallback() {
      if (!this.shadowRoot) this.build();
      this.watch = new ResizeObserver(() => this.resize());
      this.watch.observe(this.$(".panels"));
      this.themes = new MutationObserver(() => this.theme());
      for (const node of [document.documentElement, document.body].filter(Boolean))
        this.themes.observe(node, { attributes: true });
      this.media = matchMedia("(prefers-color-scheme: dark)");
      this.media.onchange = () => this.theme();
      addEventListener("hashchange", (this.onHash = () => this.read()));
      this.theme();
      this.read();
      this.update();
    }

    disconnectedCallback() {
      this.watch.disconnect();
      this.themes.disconnect();
      this.media.onchange = null;
      removeEventListener("hashchange", this.onHash);
      this.playing = false;
      for (const timer of [this.saying, this.writing]) clearTimeout(timer);
    }

    $(selector) {
      return this.shadowRoot.querySelector(selector);
    }

    build() {
      const config = (this.config = JSON.parse(this.dataset.config));
      for (const preset of config.presets) preset.settings = { ...config.defaults, ...preset.settings };
      this.model = new Model(config);
      this.settings = { ...config.settings };
      this.wanted = config.preset;
      const root = this.attachShadow({ mode: "open" });
      sheet ??= new CSSStyleSheet();
      if (!sheet.cssRules.length) sheet.replaceSync(CSS);
      root.adoptedStyleSheets = [sheet];
      root.innerHTML = page(config, this.model.n);
      this.dataset.lmSuppressShortcuts = "true"; // JupyterLab leaves our keys to us
      this.controls = {};
      for (const node of root.querySelectorAll("[id]")) this.controls[node.id] = node;
      const { preset } = this.controls;
      preset.append(new Option("Your own settings", ""), ...config.presets.map((p) => new Option(p.label, p.id)));
      this.drawStill();
      this.listen(root);
      this.run = this.model.descend(this.settings);
      this.k = this.run.updates;
    }

    drawStill() {
      const { range, levels, hessian: [[p, q], [, r]], optimum, minimum } = this.config;
      const [map, data, curve] = ["map", "data", "curve"].map((id) => this.$(`.${id} svg`));
      const path = (parent, name) => svg(parent, "path", { class: name });

      this.map = new Panel(map, [range.b, range.w], ["b", "w"], { ticks: [[0, 1, 2, 3], [0, 1, 2, 3]] });
      this.plane = svg(this.map.plot, "g");
      // J = minimum + d' H d / 2: half axes sqrt(2 (level - minimum) / eigenvalue) along the eigenvectors.
      const half = Math.hypot((p - r) / 2, q), middle = (p + r) / 2;
      const turn = (Math.atan2(2 * q, p - r) / 2) * (180 / Math.PI);
      for (const level of [...levels].reverse()) {
        const radius = Math.sqrt(2 * (level - minimum));
        svg(this.plane, "ellipse", {
          rx: radius / Math.sqrt(middle + half), ry: radius / Math.sqrt(middle - half),
          transform: `translate(${optimum}) rotate(${turn})`, "data-level": level,
          class: level > levels[levels.length >> 1] ? "level outer" : "level",
        });
      }
      this.best = path(this.map.plot, "best");
      this.pathAll = path(this.map.plot, "path pale");
      this.pathLine = path(this.map.plot, "path");
      this.pathDots = path(this.map.plot, "path dot");
      const now = (parent) => {
        const above = svg(parent, "g", { transform: "translate(32 6)" });
        return [path(above, "dot halo"), path(above, "dot now")];
      };
      this.mapNow = now(map);

      this.data = new Panel(data, [range.x, range.y], ["x", "y"], { ticks: [[0, 0.5, 1], [1, 2, 3]] });
      this.points = path(this.data.plot, "dot points");
      this.batch = path(this.data.plot, "dot batch");
      this.bestLine = path(this.data.plot, "dashed");
      this.line = path(this.data.plot, "line");

      this.curve = new Panel(curve, [[0, 1], range.J], ["iteration", "J"], { log: true, ticks: [[], [0.01, 0.1, 1, 10]] });
      this.floor = path(this.curve.plot, "dashed");
      this.curveAll = path(this.curve.plot, "path pale");
      this.curveLine = path(this.curve.plot, "line");
      this.curveNow = now(curve);
    }

    listen(root) {
      const { settings: s, controls: c } = this;
      root.addEventListener("keydown", (event) => event.stopPropagation());
      const on = (name, change) => c[name].addEventListener(c[name].tagName === "SELECT" ? "change" : "input", () => change(c[name].value));
      on("lr", (v) => this.set({ lr: this.fromSlider(v / 1000) }));
      for (const name of ["epochs", "batch", "seed"]) on(name, (v) => this.set({ [name]: +v }));
      for (const name of ["b", "w"]) {
        on(name, (v) => v !== "" && this.set({ [name]: +v }));
        c[name].onblur = () => this.schedule();
      }
      for (const name of ["order", "optimizer"]) on(name, (v) => this.set({ [name]: v }));
      on("preset", (id) => {
        const preset = this.config.presets.find((p) => p.id === id);
        if (!preset) return;
        this.k = Infinity;
        this.wanted = id;
        this.set(preset.settings);
      });
      c.play.onclick = () => (this.playing ? this.pause() : this.play());
      c.step.onclick = () => this.go(this.k < this.run.updates ? this.k + 1 : 1);
      c.reset.onclick = () => this.go(0);

      const box = this.$(".map .box"), handle = (this.handle = this.$(".handle"));
      const move = (event) => {
        const { left, top } = this.map.root.getBoundingClientRect(), { map } = this;
        this.set({
          b: thousandth(map.x[0] + ((event.clientX - left - 32) / map.width) * (map.x[1] - map.x[0])),
          w: thousandth(map.y[1] - ((event.clientY - top - 6) / map.height) * (map.y[1] - map.y[0])),
        });
      };
      // A mouse drags from anywhere on the map; a finger drags the ring, and elsewhere it scrolls or taps.
      box.onpointerdown = (event) => {
        if (event.button || (event.pointerType === "touch" && event.target !== handle)) return;
        event.preventDefault();
        handle.focus({ preventScroll: true });
        box.setPointerCapture(event.pointerId);
        this.dragging = true;
        if (event.target !== handle) move(event);
      };
      box.onpointermove = (event) => this.dragging && move(event);
      box.onpointerup = box.onpointercancel = () => (this.dragging = false);
      box.onclick = (event) => event.pointerType === "touch" && event.target !== handle && move(event);
      handle.onkeydown = (event) => {
        const [db, dw] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowDown: [0, -1], ArrowUp: [0, 1] }[event.key] ?? [];
        if (db === undefined) return;
        event.preventDefault();
        const size = event.shiftKey ? 0.25 : 0.05, { b, w } = this.settings;
        this.set({ b: thousandth(b + db * size), w: thousandth(w + dw * size) });
      };
    }

      // The learning rate's slider runs over its logarithm, from 0 to 1.
    fromSlider(at) {
      const [low, high] = this.config.range.lr;
      return +(low * (high / low) ** at).toPrecision(3);
    }

    toSlider(lr) {
      const [low, high] = this.config.range.lr;
      return Math.log(lr / low) / Math.log(high / low);
    }

    // Values are clamped into their ranges; what is not understood is left out.
    set(changes, { write = true } = {}) {
      const { config, model, run } = this, s = { ...this.settings };
      const { b, w, lr } = config.range;
      const number = (name, limits) => Number.isFinite(changes[name]) && (s[name] = clamp(changes[name], limits));
      const option = (name, options) => options.includes(String(changes[name])) && (s[name] = changes[name]);
      number("b", b);
      number("w", w);
      number("lr", lr);
      number("batch", [1, model.n]);
      number("epochs", [1, config.steps]);
      option("seed", Object.keys(config.orders));
      option("order", ["given", "shuffled", "reshuffled"]);
      option("optimizer", Object.keys(config.optimizers));
      s.batch = Math.round(s.batch);
      // Python provides every epoch's order for the first seed.
      if (s.order === "reshuffled" && this.reshuffles(s.seed) < 2) s.seed = config.seed;
      s.epochs = Math.min(Math.round(s.epochs), this.most(s));
      const whole = this.k >= run.updates && !this.playing;
      this.settings = s;
      this.stale = true;
      if (whole) this.k = Infinity;
      this.schedule();
      if (!write) return;
      this.touched = true;
      this.write();
    }

    // For how many epochs the seed's orders are known.
    reshuffles(seed) {
      return this.model.orders[seed].length / this.model.n;
    }

    most({ batch, order, seed }) {
      if (batch >= this.model.n) return this.config.steps;
      return order === "reshuffled" ? this.reshuffles(seed) : this.config.epochs;
    }

    go(k) {
      this.pause();
      this.k = k;
      this.schedule();
    }

    play() {
      if (matchMedia("(prefers-reduced-motion: reduce)").matches) return this.go(this.run.updates);
      const { updates } = this.run, from = this.k < updates ? this.k : 0, begin = performance.now();
      const pace = updates / Math.min(8000, Math.max(1500, updates * 60));
      this.playing = true;
      const frame = (now) => {
        if (!this.playing) return;
        this.k = Math.min(this.run.updates, from + Math.floor(Math.max(0, now - begin) * pace));
        if (this.k >= this.run.updates) this.playing = false;
        this.update();
        requestAnimationFrame(frame);
      };
      requestAnimationFrame(frame);
    }

    pause() {
      this.playing = false;
      this.touched = true;
      this.schedule();
    }

    // The view as a fragment "#name?lr=0.1&..."; the explorer that was touched last owns it.
    write() {
      if (top !== self || "jpThemeLight" in document.body.dataset) return; // a notebook's address is not ours
      clearTimeout(this.writing);
      this.writing = setTimeout(() => {
        const { config, settings } = this;
        history.replaceState(history.state, "", `#${config.name}?${new URLSearchParams(settings)}`);
      }, 250);
    }

    read() {
      const [name, query] = location.hash.slice(1).split("?");
      if (query === undefined || name !== this.config.name) return;
      const view = Object.fromEntries(new URLSearchParams(query));
      for (const key of ["b", "w", "lr", "epochs", "batch", "seed"]) if (key in view) view[key] = view[key] === "" ? NaN : +view[key];
      this.k = Infinity;
      this.set(view, { write: false });
      requestAnimationFrame(() => this.scrollIntoView({ block: "center" }));
    }

      theme() {
      // Whatever switches the page's theme, its text then is light on dark or dark on light.
      const [r, g, b] = getComputedStyle(this).color.match(/[\d.]+/g).map(Number);
      this.$(".app").classList.toggle("dark", 0.3 * r + 0.6 * g + 0.1 * b > 128);
    }

    resize() {
      for (const panel of [this.map, this.data, this.curve]) {
        const { clientWidth, clientHeight } = panel.root.parentNode;
        if (!clientWidth) return;
        panel.resize(clientWidth, clientHeight);
      }
      const { map, data, curve, config, model } = this, [b, w] = config.optimum;
      const sx = map.width / (map.x[1] - map.x[0]), sy = map.height / (map.y[1] - map.y[0]);
      this.plane.setAttribute("transform", `matrix(${sx} 0 0 ${-sy} ${-sx * map.x[0]} ${sy * map.y[1]})`);
      this.best.setAttribute("d", `M${map.px(b) - 4} ${map.py(w) - 4}l8 8m0-8l-8 8`);
      this.points.setAttribute("d", this.dots((i) => i, model.n));
      this.bestLine.setAttribute("d", this.through(b, w));
      this.floor.setAttribute("d", `M0 ${curve.py(config.minimum)}H${curve.width}`);
      this.update();
    }

    dots(index, count) {
      let d = "";
      for (let i = 0; i < count; i++)
        d += `M${tenth(this.data.px(this.model.x[index(i)]))} ${tenth(this.data.py(this.model.y[index(i)]))}h0`;
      return d;
    }

    through(b, w) {
      const { px, py, x: [left, right] } = this.data;
      return `M${px(left)} ${clamp(py(b + w * left), FAR)}L${px(right)} ${clamp(py(b + w * right), FAR)}`;
    }

    schedule() {
      this.frame ??= requestAnimationFrame(() => {
        this.frame = undefined;
        this.update();
      });
    }

    // Compute what is stale, then draw.
    update() {
      if (this.stale) this.run = this.model.descend(this.settings);
      this.stale = false;
      const { run, settings: s, model, map, curve } = this;
      const k = (this.k = Math.min(this.k, run.updates)), end = k === run.updates;
      const b = run.b[k], w = run.w[k], J = run.J[k];
      if (map.width) {
        const draw = (node, d) => node.getAttribute("d") !== d && node.setAttribute("d", d);
        const [line, dots] = map.trace(run.b, run.w, k);
        draw(this.pathLine, line);
        draw(this.pathDots, dots);
        draw(this.pathAll, end ? "" : map.trace(run.b, run.w, run.updates)[0]);
        const spot = (panel, nodes, ...at) => {
          const [x, y] = [panel.px(at[0]), panel.py(at[1])], { width, height } = panel;
          const inside = x >= 0 && x <= width && y >= 0 && y <= height;
          for (const node of nodes) draw(node, inside ? `M${tenth(x)} ${tenth(y)}h0` : "");
        };
        spot(map, this.mapNow, b, w);
        const total = Math.max(1, run.updates);
        if (curve.x[1] !== total || !curve.ticks[0].length) {
          curve.x = [0, total];
          curve.ticks[0] = roundTicks(total, curve.width > 160 ? 4 : 2);
          curve.drawAxes();
        }
        draw(this.curveLine, curve.trace(null, run.J, k)[0]);
        draw(this.curveAll, end ? "" : curve.trace(null, run.J, run.updates)[0]);
        spot(curve, this.curveNow, k, J);
        draw(this.line, this.through(b, w));
        const [order, first, size] = model.batch(s, k + 1);
        draw(this.batch, end || size === model.n ? "" : this.dots((i) => (order ? order[first + i] : first + i), size));
        this.handle.style.transform = `translate(${32 + map.px(s.b)}px, ${6 + map.py(s.w)}px)`;
      }
      this.tell(b, w, J, k);
    }

    tell(b, w, J, k) {
      const { controls: c, settings: s, config, run, model } = this;
      const mini = s.batch < model.n, [limit, formula] = config.limits[s.optimizer] ?? [];
      put(c.unit, mini ? "update" : "step");
      put(c.k, `${k} of ${run.updates}`);
      put(c["b-now"], text(b));
      put(c["w-now"], text(w));
      put(c["J-now"], text(J));
      put(c.play, this.playing ? "Pause" : "Play");
      // Never write into the field that is being typed in.
      for (const name of ["b", "w"]) if (c[name] !== this.shadowRoot.activeElement) put(c[name], String(s[name]), "value");
      put(c.lr, String(Math.round(this.toSlider(s.lr) * 1000)), "value");
      put(c.lr, String(s.lr), "ariaValueText");
      put(c["lr-value"], String(s.lr));
      const field = c.lr.parentNode, mark = field.lastChild;
      if (put(mark.firstChild, limit ? `${formula} = ${limit.toFixed(5)}` : "\u00a0")) {
        field.style.setProperty("--limit", limit ? this.toSlider(limit) : 2);
        mark.firstChild.hidden = !limit;
      }
      put(c.epochs, String(this.most(s)), "max");
      put(c.epochs, String(s.epochs), "value");
      put(field.nextElementSibling.firstChild, mini ? "Epochs" : "Steps");
      put(c["epochs-value"], String(s.epochs));
      put(c.batch, String(s.batch), "value");
      put(c["batch-value"], mini ? String(s.batch) : `all ${model.n}`);
      put(c.batch, c["batch-value"].textContent, "ariaValueText");
      for (const name of ["order", "seed", "optimizer"]) put(c[name], String(s[name]), "value");
      put(c.order, !mini, "disabled");
      put(c.seed, !mini || s.order !== "shuffled", "disabled");
      put(this.handle, String(s.b), "ariaValueNow");
      put(this.handle, `b ${s.b}, w ${s.w}`, "ariaValueText");

      // Two published runs may have the same settings: the one that was asked for goes first.
      const same = config.presets.filter((p) => Object.keys(s).every((name) => p.settings[name] === s[name]));
      const preset = same.find((p) => p.id === this.wanted) ?? same[0];
      put(c.preset, preset ? preset.id : "", "value");
      const [kind, message] = this.message(preset);
      put(c.message, `message ${kind}`, "className");
      put(c.message, message);
      const detail = { settings: { ...s }, k, b, w, J };
      this.dispatchEvent(new CustomEvent("gd-change", { detail, bubbles: true, composed: true }));
      if (!this.touched) return;
      clearTimeout(this.saying);
      this.saying = setTimeout(() => {
        const short = (v) => text(v, 4);
        put(this.$(".live"), `${c.unit.textContent} ${k}: b ${short(b)}, w ${short(w)}, J ${short(J)}. ${kind && message}`);
      }, 700);
    }

    message(preset) {
      const { run, settings: s, config } = this, [limit, formula] = config.limits[s.optimizer] ?? [];
      const why = limit ? ` The full batch is stable only for \u03b7 < ${formula} = ${limit.toFixed(5)}.` : "";
      if (run.diverged) return ["bad", `Diverged: no longer a finite number at step ${run.diverged}.${why}`];
      if (run.J[run.updates] > run.J[0])
        return ["bad", `Diverging: J has grown from ${text(run.J[0], 4)} to ${text(run.J[run.updates], 4)}.${why}`];
      if (!preset) return ["", "Drag the ring on the map, or move it with the arrow keys, to start elsewhere."];
      if (!preset.published) return ["", preset.note];
      const { equal, total, distance } = this.compare(preset.published);
      const last = `(${run.b[run.updates]}, ${run.w[run.updates]})`;
      return equal === total
        ? ["good", `\u2713 ${total} of ${total} numbers equal the published ones to the last digit. The last: ${last}.`]
        : ["", `${equal} of ${total} numbers equal the published ones; the rest differ by at most ${distance} unit${distance === 1 ? "" : "s"} in the last place. ${preset.note}`];
    }

    // Published rows (b, w), as printed, against the run at equal distances, the last at its end.
    compare(rows) {
      const { run } = this, every = run.updates / rows.length;
      const distances = rows.flatMap(([b, w], i) => [ulps(+b, run.b[(i + 1) * every]), ulps(+w, run.w[(i + 1) * every])]);
      return { total: distances.length, equal: distances.filter((d) => d === 0).length, distance: Math.max(...distances) };
    }
  }

  customElements.define("gd-explorer", Explorer);
})();
