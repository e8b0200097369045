// The custom element gd-explorer: gradient descent for a line, live.  explorer/__init__.py writes the
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
      const numbers = (base64) => new Float64Array(Uint8Array.from(atob(base64), (c) => c.charCodeAt(0)).buffer);
      [this.x, this.y, this.hyper] = [numbers(x), numbers(y), optimizers];
      this.n = this.x.length;
      this.orders = Uint8Array.from(orders, (c) => c.charCodeAt(0) - 40);
      [this.gb, this.gw] = [new Float64Array(this.n), new Float64Array(this.n)];
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
      const perEpoch = Math.ceil(this.n / s.batch), first = ((k - 1) % perEpoch) * s.batch;
      const size = Math.min(s.batch, this.n - first);
      if (s.batch >= this.n || s.order === "given") return [null, first, size];
      const epoch = s.order === "reshuffled" ? Math.floor((k - 1) / perEpoch) : 0;
      return [this.orders, first + epoch * this.n, size];
    }

    gradient(b, w, [order, first, size]) {
      const { x, y, gb, gw } = this;
      for (let i = 0; i < size; i++) {
        const j = order ? order[first + i] : first + i, error = 2 * (y[j] - b - w * x[j]);
        gb[i] = error * -1;
        gw[i] = error * -x[j];
      }
      return [sum(gb, 0, size) / size, sum(gw, 0, size) / size];
    }

    // b, w, J of every iterate; diverged is the step that is no longer finite, or 0; arrived is the one from
    // which J stays within the level, or Infinity; highest is the largest J.
    descend(s, level) {
      let updates = s.epochs * Math.ceil(this.n / s.batch), diverged = 0, arrived = 0, highest = 0;
      const [bs, ws, Js] = [0, 1, 2].map(() => new Float64Array(updates + 1));
      const rules = [0, 1].map(() => RULES[s.optimizer](s.lr, this.hyper[s.optimizer]));
      let { b, w } = s;
      for (let k = 0; k <= updates; k++) {
        if (k) {
          const [gb, gw] = this.gradient(b, w, this.batch(s, k));
          b -= rules[0](gb);
          w -= rules[1](gw);
        }
        const J = this.loss(b, w);
        if (!Number.isFinite(b + w + J)) {
          diverged = k;
          updates = k - 1;
          break;
        }
        [bs[k], ws[k], Js[k]] = [b, w, J];
        highest = Math.max(highest, J);
        if (J > level) arrived = k + 1;
      }
      return { b: bs, w: ws, J: Js, updates, diverged, arrived: arrived > updates ? Infinity : arrived, highest };
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
  const thousandth = (v) => Math.round(v * 1000) / 1000;
  // Writes only what is new: a write costs style and layout.
  const put = (node, value, key = "textContent") => node && node[key] !== value && (node[key] = value);

  // At most count + 1 round numbers from 0 to n.
  function roundTicks(n, count) {
    const rough = n / count, power = 10 ** Math.floor(Math.log10(rough));
    const step = Math.max(1, [1, 2, 5, 10].find((m) => m * power >= rough) * power);
    return Array.from({ length: Math.floor(n / step) + 1 }, (_, i) => [i * step, i * step]);
  }
  // Powers of ten, at most five of them, as they are written.
  function powerTicks([low, high]) {
    const first = Math.ceil(Math.log10(low)), last = Math.floor(Math.log10(high)), step = Math.ceil((last - first) / 4);
    const raised = (e) => `10${String(e).replace(/\d/g, (d) => "\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079"[d])}`;
    return Array.from({ length: Math.floor((last - first) / step) + 1 }, (_, i) => first + i * step)
      .map((e) => [10 ** e, e > 3 ? raised(e) : 10 ** e]);
  }

  const LEFT = 34, TOP = 6, RIGHT = 14, BOTTOM = 32, FAR = [-1e4, 1e4];
  function svg(parent, tag, attributes, content = "") {
    const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const name in attributes) node.setAttribute(name, attributes[name]);
    node.textContent = content;
    return parent.appendChild(node);
  }

  // Axes and what stands still are an <svg>; what moves is painted on a <canvas> above it.
  class Panel {
    constructor(box, x, y, names, ticks, log = (v) => v) {
      Object.assign(this, { box, x, y, names, ticks, log, canvas: box.querySelector("canvas") });
      this.axes = svg(box.querySelector("svg"), "g");
      this.still = svg(box.querySelector("svg"), "svg", { x: LEFT, y: TOP });
      this.pen = this.canvas.getContext("2d");
    }

    px = (v) => ((v - this.x[0]) / (this.x[1] - this.x[0])) * this.width;
    py = (v) => {
      const { log, y: [low, high] } = this;
      return (1 - (log(v) - log(low)) / (log(high) - log(low))) * this.height;
    };
    has = (x, y) => x >= this.x[0] && x <= this.x[1] && y >= this.y[0] && y <= this.y[1];

    fit() {
      const { box: { clientWidth, clientHeight }, still, canvas } = this;
      this.width = Math.max(1, clientWidth - LEFT - RIGHT);
      this.height = Math.max(1, clientHeight - TOP - BOTTOM);
      still.setAttribute("width", this.width);
      still.setAttribute("height", this.height);
      canvas.width = clientWidth * devicePixelRatio;
      canvas.height = clientHeight * devicePixelRatio;
      this.drawAxes();
    }

    drawAxes() {
      const { axes, width, height, names, ticks } = this, bottom = TOP + height;
      axes.textContent = "";
      svg(axes, "rect", { x: LEFT, y: TOP, width, height, class: "frame" });
      const label = (x, y, anchor, content) => svg(axes, "text", { x, y, "text-anchor": anchor }, content);
      for (const [v, name] of ticks[0]) {
        svg(axes, "path", { d: `M${LEFT + this.px(v)} ${bottom}v4`, class: "frame" });
        label(LEFT + this.px(v), bottom + 15, "middle", name);
      }
      for (const [v, name] of ticks[1]) {
        svg(axes, "path", { d: `M${LEFT} ${TOP + this.py(v)}h-4`, class: "frame" });
        label(LEFT - 7, TOP + this.py(v) + 4, "end", name);
      }
      label(LEFT + width, bottom + 29, "end", names[0]);
      label(LEFT + 6, TOP + 15, "start", names[1]);
    }

    begin(ink) {
      this.ink = ink;
      const { pen, canvas } = this, ratio = devicePixelRatio;
      pen.setTransform(ratio, 0, 0, ratio, ratio * LEFT, ratio * TOP);
      pen.clearRect(-LEFT, -TOP, canvas.width, canvas.height);
      pen.lineJoin = pen.lineCap = "round";
      pen.font = `600 12px ${ink.font}`;
    }

    within(draw) {
      this.pen.save();
      this.pen.beginPath();
      this.pen.rect(0, 0, this.width, this.height);
      this.pen.clip();
      draw();
      this.pen.restore();
    }

    stroke(color, { width = 1.5, dash = [], alpha = 1 } = {}) {
      Object.assign(this.pen, { strokeStyle: this.ink[color], lineWidth: width, globalAlpha: alpha });
      this.pen.setLineDash(dash);
      this.pen.stroke();
      this.pen.globalAlpha = 1;
    }

    // Through (a[i], b[i]) for i <= last; i itself where a is null.  What leaves for good is cut far outside.
    line(a, b, last, color, style) {
      const { pen, px, py } = this;
      pen.beginPath();
      for (let i = 0; i <= last; i++) {
        const x = px(a ? a[i] : i), y = py(b[i]);
        pen.lineTo(clamp(x, FAR), clamp(y, FAR));
        if (clamp(x, FAR) !== x || clamp(y, FAR) !== y) break;
      }
      this.stroke(color, style);
    }

    dots(a, b, indices, color, radius) {
      const { pen, px, py } = this;
      let lastX = NaN, lastY = NaN;
      pen.beginPath();
      for (const i of indices) {
        const x = px(a[i]), y = py(b[i]);
        if ((x - lastX) ** 2 + (y - lastY) ** 2 < 2 || clamp(x, FAR) !== x || clamp(y, FAR) !== y) continue;
        [lastX, lastY] = [x, y];
        pen.moveTo(x + radius, y);
        pen.arc(x, y, radius, 0, 7);
      }
      pen.fillStyle = this.ink[color];
      pen.fill();
    }

    // An arrow in pixels from (x, y) along (dx, dy).
    arrow(x, y, dx, dy, color, width) {
      const { pen } = this, length = Math.hypot(dx, dy), size = Math.min(10, length);
      const [ux, uy] = [dx / length, dy / length], [tipX, tipY] = [x + dx, y + dy];
      pen.beginPath();
      pen.moveTo(x, y);
      pen.lineTo(tipX - ux * size, tipY - uy * size);
      this.stroke(color, { width });
      pen.beginPath();
      pen.moveTo(tipX, tipY);
      for (const side of [0.45, -0.45]) pen.lineTo(tipX - size * (ux + side * uy), tipY - size * (uy - side * ux));
      pen.fillStyle = this.ink[color];
      pen.fill();
    }

    spot(x, y, color) {
      for (const [radius, ink] of [[7, "paper"], [5, color]]) this.dots([x], [y], [0], ink, radius);
    }

    // A word right of (x, y) in pixels, raised, or below it at the frame's edge, on a halo of paper.
    say(word, x, y, rise, color = "ink") {
      const { pen, width, height } = this, wide = pen.measureText(word).width;
      const [left, base] = x + 11 + wide > width ? [x - wide / 2, y + 20] : [x + 11, y - rise];
      const at = [clamp(left, [2, width - wide - 2]), clamp(base, [12, height - 4])];
      Object.assign(pen, { lineWidth: 4, strokeStyle: this.ink.paper, fillStyle: this.ink[color] });
      pen.setLineDash([]);
      pen.strokeText(word, ...at);
      pen.fillText(word, ...at);
    }
  }

  const NAMES = {
    gd: "gradient descent", momentum: "momentum", rmsprop: "RMSprop", adam: "Adam",
    given: "as given", shuffled: "shuffled once", reshuffled: "reshuffled every epoch",
  };
  const field = (id, name, control) =>
    `<div class="field ${id}"><label for="${id}">${name}</label><output for="${id}" id="${id}-value"></output>${control}</div>`;
  const range = (id, min, max, more = "") => `<input type="range" id="${id}" min="${min}" max="${max}" step="1" ${more}>`;
  const number = (id, [min, max], step, label) =>
    `<input type="number" id="${id}" min="${min}" max="${max}" step="${step}" aria-label="${label}">`;
  const choose = (id, options) =>
    `<select id="${id}">${options.map((o) => `<option value="${o}">${NAMES[o] ?? o}</option>`).join("")}</select>`;
  const panel = (id, title, label, extra = "") =>
    `<figure class="${id}"><figcaption>${title}</figcaption><div class="box"><svg role="img" aria-label="${label}"></svg><canvas></canvas>${extra}</div></figure>`;

  function page({ name, show, defaults, range: limits, presets, tasks, optimizers, most }, n) {
    const front = show === "front", has = (name) => show === name || show === "all";
    const ring = `<div class="handle" role="slider" tabindex="0" aria-label="Start of the run: left and right change b, up and down change w" aria-valuemin="${limits.b[0]}" aria-valuemax="${limits.b[1]}"></div>`;
    const rate = `<div class="field rate"><label for="lr">Learning rate \u03b7</label>${number("lr", limits.lr, "any", "Learning rate \u03b7")}${range("slide", 0, 1000, 'aria-label="Learning rate \u03b7, logarithmic"')}<div class="limit"><span></span></div></div>`;
    const link = (state, words) => `<a href="#${name}?${new URLSearchParams({ ...defaults, ...state })}">${words}</a>`;
    const list = tasks.map(([ask, state, answer, change]) =>
      `<li>${link(state, ask)}<details><summary>Answer</summary>${answer} ${link({ ...state, ...change }, "Show it")}</details></li>`);
    return `<div class="app ${front ? "front" : ""}" role="group" aria-label="Gradient descent explorer">
<div class="runs" role="group" aria-label="Published runs">${front ? "" : presets.map((p) => `<button type="button" value="${p.id}">${p.label}</button>`).join("")}</div>
<div class="panels">
${panel("map", front ? "Every line is one point (b, w)" : "Every line is a point (b, w): drag the ring", "Level curves of J, ellipses around the optimum, with the path of the run", ring)}
<div class="deck">
${front ? "" : rate}
${has("batches") ? field("batch", "Batch size", range("batch", 1, n)) : ""}
${has("optimizers") ? field("optimizer", "Optimizer", choose("optimizer", Object.keys(optimizers))) : ""}
<div class="bar"><button id="play" type="button">Play</button>${front ? "" : `<button id="step" type="button">Step</button>`}${range("k", 0, 1, 'aria-label="Step shown"')}<button id="reset" type="button">Reset</button></div>
</div>
${panel("data", front ? "The points and one line" : "The square: J", `The ${n} training points, the line of the step shown with its residuals, and the least-squares line (dashed)`)}
${front ? "" : panel("curve", "Learning curve", "J at every iteration, logarithmic scale; the dashed line is the smallest possible J")}
</div>
${front ? "" : `<dl class="values"><div><dt id="unit">step</dt><dd id="k-now"></dd></div><div><dt>b</dt><dd id="b-now"></dd></div><div><dt>w</dt><dd id="w-now"></dd></div><div><dt>J</dt><dd id="J-now"></dd></div></dl>`}
<p class="message" id="message"></p>
${front ? "" : `<details class="more"><summary>More controls</summary><div class="controls">
${field("epochs", "Steps", range("epochs", 1, most.steps))}
<div class="field"><span>Start (b, w)</span><span class="pair">${number("b", limits.b, 0.05, "start b")}${number("w", limits.w, 0.05, "start w")}</span></div>
${has("batches") ? field("order", "Order of the points", choose("order", ["given", "shuffled", "reshuffled"])) : ""}
<label class="check"><input type="checkbox" id="gradient"> Arrow against the gradient</label>
</div></details><p class="ask">Three tasks; a click sets the stage:</p><ol class="tasks">${list.join("")}</ol>`}
<div class="live" role="status"></div>
</div><slot></slot>`;
  }

  const CSS = "gd-explorer.css"; // its text, when the page gets this script
  let sheet;

  class Explorer extends HTMLElement {
    connectedCallback() {
      if (!this.shadowRoot) this.build();
      this.watch = new ResizeObserver(() => this.resize());
      this.watch.observe(this.$(".panels"));
      this.themes = new MutationObserver(() => this.theme());
      for (const node of [document.documentElement, document.body].filter(Boolean))
        this.themes.observe(node, { attributes: true });
      const { signal } = (this.here = new AbortController());
      matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.theme(), { signal });
      addEventListener("hashchange", () => this.read(location.hash), { signal });
      this.theme();
      this.read(location.hash);
    }

    disconnectedCallback() {
      this.watch.disconnect();
      this.themes.disconnect();
      this.here.abort();
      this.playing = false;
      for (const timer of [this.saying, this.writing]) clearTimeout(timer);
    }

    $(selector) {
      return this.shadowRoot.querySelector(selector);
    }

    build() {
      const config = (this.config = JSON.parse(this.dataset.config)), { range, hessian: [[p, q], [, r]] } = config;
      for (const preset of config.presets) preset.settings = { ...config.defaults, ...preset.settings };
      this.model = new Model(config);
      this.settings = { ...config.settings };
      this.wanted = config.presets.find((preset) => preset.id === config.preset);
      this.front = config.show === "front";
      // The eigenvalues of the Hessian say where full-batch descent stops being stable.
      this.mean = (p + r) / 2;
      this.half = Math.hypot((p - r) / 2, q);
      const factor = 1 + config.optimizers.momentum.momentum, limit = 2 / (this.mean + this.half);
      this.limits = { gd: [limit, "2/\u03bbmax"], momentum: [factor * limit, `${+(2 * factor).toFixed(3)}/\u03bbmax`] };
      const root = this.attachShadow({ mode: "open" });
      sheet ??= new CSSStyleSheet();
      if (!sheet.cssRules.length) sheet.replaceSync(CSS);
      root.adoptedStyleSheets = [sheet];
      root.innerHTML = page(config, this.model.n);
      this.dataset.lmSuppressShortcuts = "true"; // JupyterLab leaves our keys to us
      this.controls = {};
      for (const node of root.querySelectorAll("[id]")) this.controls[node.id] = node;
      const ticks = (...values) => values.map((v) => [v, v]), box = (id) => this.$(`.${id} .box`), whole = ticks(0, 1, 2, 3);
      this.map = new Panel(box("map"), range.b, range.w, ["intercept b", "slope w"], [whole, whole]);
      this.data = new Panel(box("data"), range.x, range.y, ["x", "y"], [ticks(0, 0.5, 1), ticks(1, 2, 3)]);
      if (!this.front) this.curve = new Panel(box("curve"), [0, 1], range.J, ["step", "J"], [[], []], Math.log10);
      this.listen(root);
      this.descend();
      this.k = this.front ? 0 : this.run.updates;
    }

    listen(root) {
      const { controls: c } = this;
      root.addEventListener("keydown", (event) => event.stopPropagation());
      const on = (name, change) => {
        if (!c[name]) return;
        c[name].addEventListener(c[name].tagName === "SELECT" ? "change" : "input", () => c[name].value !== "" && change(c[name].value));
        c[name].addEventListener("blur", () => this.schedule());
      };
      on("slide", (v) => this.set({ lr: this.fromSlider(v / 1000) }));
      for (const name of ["lr", "epochs", "batch", "b", "w"]) on(name, (v) => this.set({ [name]: +v }));
      for (const name of ["order", "optimizer"]) on(name, (v) => this.set({ [name]: v }));
      on("k", (v) => this.go(+v));
      on("gradient", () => this.schedule());
      c.play.onclick = () => (this.playing ? this.pause() : this.play());
      if (c.step) c.step.onclick = () => this.go(this.k < this.run.updates ? this.k + 1 : 1);
      c.reset.onclick = () => this.choose(this.wanted);
      root.addEventListener("click", (event) => {
        const { target } = event;
        if (target.matches(".runs button")) this.choose(this.config.presets.find((p) => p.id === target.value));
        if (!target.matches(".tasks a")) return;
        event.preventDefault(); // a notebook's address is not ours
        this.read(target.hash, "nearest");
      });

      const box = this.map.box, handle = (this.handle = this.$(".handle"));
      const at = (event) => {
        const { left, top } = box.getBoundingClientRect();
        return [event.clientX - left - LEFT, event.clientY - top - TOP];
      };
      const move = (event) => {
        const { x: [left, right], y: [low, high], width, height } = this.map, [x, y] = at(event);
        this.set({ b: thousandth(left + (x / width) * (right - left)), w: thousandth(high - (y / height) * (high - low)) });
      };
      // A mouse drags from anywhere on the map; a finger drags the ring, and elsewhere it scrolls or taps.
      box.onpointerdown = (event) => {
        if (event.button || (event.pointerType === "touch" && event.target !== handle)) return;
        event.preventDefault();
        handle.focus({ preventScroll: true });
        box.setPointerCapture(event.pointerId);
        this.dragging = true;
        this.peek = undefined;
        if (event.target !== handle) move(event);
      };
      box.onpointermove = (event) => (this.dragging ? move(event) : this.look(...at(event)));
      box.onpointerup = box.onpointercancel = () => ((this.dragging = false), this.schedule());
      box.onpointerleave = () => this.look(NaN, NaN);
      box.onclick = (event) => event.pointerType === "touch" && event.target !== handle && move(event);
      handle.onkeydown = (event) => {
        const [db, dw] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowDown: [0, -1], ArrowUp: [0, 1] }[event.key] ?? [];
        if (db === undefined) return;
        event.preventDefault();
        const size = event.shiftKey ? 0.25 : 0.05, { b, w } = this.settings;
        this.set({ b: thousandth(b + db * size), w: thousandth(w + dw * size) });
      };
    }

    // The point of the path under the pointer shows its line for as long as it is pointed at.
    look(x, y) {
      const { run, map, peek } = this;
      let nearest = 144, found;
      for (let i = 0; i <= run.updates; i++) {
        const distance = (map.px(run.b[i]) - x) ** 2 + (map.py(run.w[i]) - y) ** 2;
        if (distance < nearest) [nearest, found] = [distance, i];
      }
      this.peek = found;
      if (found !== peek) this.schedule();
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
      const { config, model, run } = this, s = { ...this.settings }, { b, w, lr } = config.range;
      const limits = { b, w, lr, batch: [1, model.n], epochs: [1, config.most.steps] };
      for (const name in limits) if (Number.isFinite(changes[name])) s[name] = clamp(changes[name], limits[name]);
      const options = { optimizer: config.optimizers, order: { given: 1, shuffled: 1, reshuffled: 1 } };
      for (const name in options) if (Object.hasOwn(options[name], changes[name])) s[name] = changes[name];
      s.batch = Math.round(s.batch);
      s.epochs = Math.min(Math.round(s.epochs), this.most(s));
      if (this.k >= run.updates && !this.playing) this.k = Infinity;
      this.settings = s;
      this.stale = true;
      this.peek = undefined;
      this.schedule();
      if (write) this.write();
    }

    choose(preset) {
      this.wanted = preset;
      this.go(this.front ? 0 : Infinity);
      this.set(preset.settings);
    }

    most({ batch, order }) {
      return this.config.most[batch >= this.model.n ? "steps" : order === "reshuffled" ? order : "epochs"];
    }

    descend() {
      this.run = this.model.descend(this.settings, this.config.levels[0]);
      this.stale = false;
    }

    go(k) {
      this.k = k;
      this.pause();
    }

    // Slow at first, so that each of the large steps is seen.
    play() {
      const { updates } = this.run, from = this.k < updates ? this.k : 0, begin = performance.now();
      if (matchMedia("(prefers-reduced-motion: reduce)").matches) return this.go(updates);
      const length = clamp(updates * 60, [1500, 7000]), before = Math.sqrt(from / updates);
      this.playing = true;
      const frame = (now) => {
        if (!this.playing) return;
        this.k = Math.min(this.run.updates, Math.floor(this.run.updates * Math.min(1, before + Math.max(0, now - begin) / length) ** 2));
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
      this.touched = true;
      if (top !== self || "jpThemeLight" in document.body.dataset) return; // a notebook's address is not ours
      clearTimeout(this.writing);
      this.writing = setTimeout(() => {
        const { config, settings } = this;
        history.replaceState(history.state, "", `#${config.name}?${new URLSearchParams(settings)}`);
      }, 250);
    }

    read(hash, block = "center") {
      const [name, query] = hash.slice(1).split("?"), view = {};
      if (query === undefined || name !== this.config.name) return;
      for (const [key, value] of new URLSearchParams(query))
        view[key] = ["order", "optimizer"].includes(key) ? value : value === "" ? NaN : +value;
      this.k = Infinity;
      this.playing = false;
      this.set(view, { write: block === "nearest" });
      requestAnimationFrame(() => this.$(".panels").scrollIntoView({ block }));
    }

    theme() {
      // Whatever switches the page's theme, its text then is light on dark or dark on light.
      const app = this.$(".app"), probe = this.$(".live"), [r, g, b] = getComputedStyle(this).color.match(/[\d.]+/g).map(Number);
      app.classList.toggle("dark", 0.3 * r + 0.6 * g + 0.1 * b > 128);
      this.ink = { font: getComputedStyle(app).fontFamily };
      for (const name of ["ink", "soft", "paper", "blue", "orange", "stop"]) {
        probe.style.color = `var(--${name})`;
        this.ink[name] = getComputedStyle(probe).color;
      }
      this.schedule();
    }

    resize() {
      const { map, data, config, model, mean, half } = this, [b, w] = config.optimum;
      if (!map.box.clientWidth) return;
      for (const panel of [map, data, this.curve]) panel?.fit();
      map.still.textContent = data.still.textContent = "";
      const [[p, q], [, r]] = config.hessian, turn = Math.atan2(2 * q, p - r) / 2;
      const sx = map.width / (map.x[1] - map.x[0]), sy = map.height / (map.y[1] - map.y[0]);
      const plane = svg(map.still, "g", { transform: `matrix(${sx} 0 0 ${-sy} ${map.px(0)} ${map.py(0)})` }), names = [];
      // J = minimum + d' H d / 2: half axes sqrt(2 (level - minimum) / eigenvalue) along the eigenvectors.
      for (const [i, level] of [...config.levels.entries()].reverse()) {
        const radius = Math.sqrt(2 * (level - config.minimum)), short = radius / Math.sqrt(mean + half);
        svg(plane, "ellipse", {
          rx: short, ry: radius / Math.sqrt(mean - half), "data-level": level,
          transform: `translate(${b} ${w}) rotate(${(turn * 180) / Math.PI})`, class: level > 0.5 ? "level outer" : "level",
        });
        const x = map.px(b - short * Math.cos(turn)), y = map.py(w - short * Math.sin(turn));
        if (map.width > 180 && i % 2 && !names.some((at) => Math.hypot(x - at[0], y - at[1]) < 26)) names.push([x, y, level]);
      }
      for (const [i, [x, y, level]] of names.entries())
        svg(map.still, "text", { x, y: y + 4, class: "name" }, i ? level : `J = ${level}`);
      svg(map.still, "path", { d: `M${map.px(b) - 4} ${map.py(w) - 4}l8 8m0-8l-8 8`, class: "best" });
      for (let i = 0; i < model.n; i++)
        svg(data.still, "circle", { cx: data.px(model.x[i]), cy: data.py(model.y[i]), r: 2.5, class: "point" });
      this.drawn = null;
      this.update();
    }

    schedule() {
      this.frame ??= requestAnimationFrame(() => {
        this.frame = undefined;
        this.update();
      });
    }

    // Compute what is stale, then draw.
    update() {
      if (this.stale) this.descend();
      const { run } = this, k = (this.k = Math.min(this.k, run.updates)), at = this.peek ?? k;
      if (this.map.width) {
        this.drawMap(k, at);
        this.drawData(at);
        if (this.curve) this.drawCurve(k, at);
      }
      // A hand that moves reads no digits: words cost a layout, and follow ten times a second.
      if ((this.dragging || this.playing) && performance.now() - this.told < 100) return;
      this.told = performance.now();
      this.tell(at);
    }

    drawMap(k, at) {
      const { map: m, run, settings: s, config: { optimum: [b, w] }, controls: c } = this, end = run.updates;
      const best = [m.px(b), m.py(w)], start = [m.px(s.b), m.py(s.w)], now = [m.px(run.b[at]), m.py(run.w[at])];
      const apart = (one, other, by = 44) => Math.hypot(one[0] - other[0], one[1] - other[1]) > by;
      m.begin(this.ink);
      m.within(() => {
        if (k < end) m.line(run.b, run.w, end, "orange", { width: 1.25, alpha: 0.25 });
        m.line(run.b, run.w, k, "orange", { width: 1.25 });
        m.dots(run.b, run.w, Array(k + 1).keys(), "orange", 1.75);
        if (c.gradient?.checked && m.has(run.b[at], run.w[at])) {
          const [gb, gw] = this.model.gradient(run.b[at], run.w[at], this.model.batch(s, Math.min(at + 1, end)));
          const scale = m.width / 20;
          m.arrow(...now, -gb * scale, gw * scale * (m.height / m.width), "blue", 2.5);
        }
      });
      let out = 1;
      while (out <= k && m.has(run.b[out], run.w[out])) out++;
      if (out <= k) {
        // Where the path crosses the frame, an arrow on from there says that it leaves.
        const [b0, w0, b1, w1] = [run.b[out - 1], run.w[out - 1], run.b[out], run.w[out]];
        const share = (v0, v1, [low, high]) => (v1 > high ? (high - v0) / (v1 - v0) : v1 < low ? (low - v0) / (v1 - v0) : 1);
        const t = Math.min(share(b0, b1, m.x), share(w0, w1, m.y));
        const [x, y] = [m.px(b0 + t * (b1 - b0)), m.py(w0 + t * (w1 - w0))];
        const [dx, dy] = [clamp(m.px(b1) - m.px(b0), FAR), clamp(m.py(w1) - m.py(w0), FAR)], unit = 22 / Math.hypot(dx, dy);
        m.arrow(x - dx * unit, y - dy * unit, dx * unit, dy * unit, "stop", 3);
        m.say(`leaves at step ${out}`, x - dx * unit, y - dy * unit, 8, "stop");
      }
      if (apart(best, now, 12)) m.say("best", ...best, -20);
      if (m.has(run.b[at], run.w[at])) {
        m.spot(...[run.b[at], run.w[at]], "orange");
        if (at && apart(now, start)) m.say(apart(best, now, 12) ? "now" : "now, best", ...now, 8, "orange");
      }
      if (apart(start, now) || !at) m.say("start", ...start, -20, "orange");
      this.handle.style.transform = `translate(${LEFT + start[0]}px, ${TOP + start[1]}px)`;
    }

    drawData(at) {
      const { data: d, run, model, settings: s, config } = this, { pen, x: [left, right], y: [low, high] } = d;
      const ends = (b, w) => [b + w * left, b + w * right];
      // A line that has left the picture gives way to the last one that was seen.
      const seen = (i) => Math.max(...ends(run.b[i], run.w[i])) >= low && Math.min(...ends(run.b[i], run.w[i])) <= high;
      let i = at;
      while (i && !seen(i)) i--;
      const b = run.b[i], w = run.w[i], bestEnds = ends(...config.optimum), lineEnds = ends(b, w);
      d.begin(this.ink);
      d.within(() => {
        pen.beginPath();
        for (let j = 0; j < model.n; j++) {
          pen.moveTo(d.px(model.x[j]), d.py(model.y[j]));
          pen.lineTo(d.px(model.x[j]), d.py(b + w * model.x[j]));
        }
        d.stroke("orange", { width: 1, alpha: 0.5 });
        const [order, first, size] = model.batch(s, Math.min(i + 1, run.updates));
        if (size < model.n) d.dots(model.x, model.y, Array.from({ length: size }, (_, j) => (order ? order[first + j] : first + j)), "orange", 3);
        d.line([left, right], bestEnds, 1, "soft", { dash: [4, 4] });
        d.line([left, right], lineEnds, 1, "blue", { width: 2.25 });
        // The mean of the squared residuals as a square.
        const side = Math.sqrt(run.J[i]) * (d.height / (high - low));
        pen.fillStyle = this.ink.orange;
        pen.globalAlpha = 0.3;
        pen.fillRect(d.width - side - 4, d.height - side - 4, side, side);
        pen.globalAlpha = 1;
        d.say("J", d.width - (side > 30 ? side / 2 + 19 : side + 27), d.height - (side > 30 ? side / 2 : 8), 0, "orange");
      });
      this.fits = i;
      if (i < at) d.say(`line of step ${i}`, 0, d.height, 8, "stop");
    }

    drawCurve(k, at) {
      const { curve: c, run, ink } = this, { J } = this.config.range, total = Math.max(1, run.updates);
      const top = run.highest > J[1] ? run.highest : J[1];
      if (this.drawn !== total + top) {
        this.drawn = total + top;
        c.x = [0, total];
        c.y = [J[0], top];
        c.ticks = [roundTicks(total, c.width > 160 ? 4 : 2), powerTicks(c.y)];
        c.names[0] = this.settings.batch < this.model.n ? "update" : "step";
        c.drawAxes();
      }
      c.begin(ink);
      c.within(() => {
        c.line([0, total], [this.config.minimum, this.config.minimum], 1, "soft", { dash: [4, 4] });
        if (k < run.updates) c.line(null, run.J, run.updates, "blue", { alpha: 0.3 });
        c.line(null, run.J, k, "blue", { width: 2 });
      });
      c.spot(at, run.J[at], "orange");
      c.say("smallest J", 0, c.py(this.config.minimum), -13, "soft");
    }

    tell(k) {
      const { controls: c, settings: s, run, model } = this, mini = s.batch < model.n, [limit, formula] = this.limit() ?? [];
      put(c.unit, mini ? "update" : "step");
      put(c["k-now"], `${k} of ${run.updates}`);
      for (const name of ["b", "w", "J"]) put(c[`${name}-now`], text(run[name][k]));
      put(c.play, this.playing ? "Pause" : "Play");
      put(c.k, String(run.updates), "max");
      put(c.k, String(k), "value");
      put(c.k, `${k} of ${run.updates}`, "ariaValueText");
      // Never write into the field that is being typed in.
      for (const name of ["b", "w", "lr"]) if (c[name] !== this.shadowRoot.activeElement) put(c[name], String(s[name]), "value");
      put(c.slide, String(Math.round(this.toSlider(s.lr) * 1000)), "value");
      put(c.slide, String(s.lr), "ariaValueText");
      const mark = this.$(".limit span");
      if (put(mark, limit ? `${formula} = ${limit.toFixed(5)}` : "\u00a0")) {
        mark.closest(".rate").style.setProperty("--limit", limit ? this.toSlider(limit) : 2);
        mark.hidden = !limit;
      }
      put(c.epochs, String(this.most(s)), "max");
      put(c.epochs, String(s.epochs), "value");
      put(c.epochs?.parentNode.firstChild, mini ? "Epochs" : "Steps");
      put(c["epochs-value"], String(s.epochs));
      put(c.batch, String(s.batch), "value");
      put(c["batch-value"], mini ? String(s.batch) : `all ${model.n}`);
      put(c.batch, c["batch-value"]?.textContent, "ariaValueText");
      for (const name of ["order", "optimizer"]) put(c[name], String(s[name]), "value");
      put(c.order, !mini, "disabled");
      put(this.handle, String(s.b), "ariaValueNow");
      put(this.handle, `b ${s.b}, w ${s.w}`, "ariaValueText");

      // Two published runs may have the same settings: the one that was asked for goes first.
      const same = this.config.presets.filter((p) => Object.keys(s).every((name) => p.settings[name] === s[name]));
      const preset = same.includes(this.wanted) ? this.wanted : same[0];
      for (const button of this.shadowRoot.querySelectorAll(".runs button")) put(button, String(button.value === preset?.id), "ariaPressed");
      const [kind, message] = this.message(k, preset);
      put(c.message, `message ${kind}`, "className");
      put(c.message, message);
      const detail = { settings: { ...s }, k, b: run.b[k], w: run.w[k], J: run.J[k] };
      this.dispatchEvent(new CustomEvent("gd-change", { detail, bubbles: true, composed: true }));
      if (!this.touched) return;
      clearTimeout(this.saying);
      this.saying = setTimeout(() => {
        const short = (name) => `${name} ${text(run[name][k], 4)}`;
        put(this.$(".live"), `${mini ? "update" : "step"} ${k}: ${["b", "w", "J"].map(short).join(", ")}. ${kind && message}`);
      }, 700);
    }

    // Where full-batch steps stop being stable; for mini-batches and the adaptive rules there is no such number.
    limit() {
      return this.settings.batch >= this.model.n ? this.limits[this.settings.optimizer] : undefined;
    }

    message(k, preset) {
      const { run, settings: s, model, config, front } = this, [limit, formula] = this.limit() ?? [], { updates, arrived } = run;
      if (front) return ["", `Step ${k} of ${updates}. The shaded square is the mean squared error: ${text(run.J[k], 4)}.`];
      const kept = this.fits < k ? ` The last line that fits its panel is that of step ${this.fits}.` : "";
      const why = kept + (limit ? ` The full batch is stable only for \u03b7 < ${formula} = ${limit.toFixed(5)}.` : "");
      if (k < updates) {
        const short = (v) => (v < 0 ? "" : "+") + text(v, 4);
        return ["", `The next ${s.batch < model.n ? "update" : "step"} changes b by ${short(run.b[k + 1] - run.b[k])} and w by ${short(run.w[k + 1] - run.w[k])}.`];
      }
      if (run.diverged) return ["bad", `Diverged: no longer a finite number at step ${run.diverged}.${why}`];
      if (run.J[updates] > run.J[0])
        return ["bad", `Diverging: J has grown from ${text(run.J[0], 4)} to ${text(run.J[updates], 4)}.${why}`];
      const perEpoch = Math.ceil(model.n / s.batch), points = Math.floor(arrived / perEpoch) * model.n + (arrived % perEpoch) * s.batch;
      const there = arrived > updates ? `Not arrived: J does not stay at ${config.levels[0]} or below.`
        : `Arrived: J stays at ${config.levels[0]} or below from ${s.batch < model.n ? "update" : "step"} ${arrived} on, after ${points} points.`;
      if (!preset?.published) return ["", preset ? `${there} ${preset.note}` : there];
      const { equal, total, distance } = this.compare(preset.published);
      return equal === total
        ? ["good", `\u2713 ${total} of ${total} numbers equal the published ones to the last digit. The last: (${run.b[updates]}, ${run.w[updates]}). ${there}`]
        : ["", `${equal} of ${total} numbers equal the published ones; the rest differ by at most ${distance} unit${distance === 1 ? "" : "s"} in the last place. ${preset.note} ${there}`];
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
