// Running the cells of a page. book.js loads this at the first Run or Edit, or where the reader has been before.
const key = `python:${location.pathname}`;
const MOST = 2e6; // characters that one page may keep

function make(tag, properties, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}
const button = (name, act) => make("button", { type: "button", textContent: name, onclick: act });
const pre = (child) => make("pre", { tabIndex: 0, role: "group", ariaLabel: "Output" }, child);
const output = (child) => make("div", { className: "output" }, pre(child));
const look = () => make("link", { rel: "stylesheet", href: new URL("live.css", import.meta.url).href });

// ---- One cell: its code, as published and as it is now, and what it shows ----
class Cell {
  constructor(element, place) {
    const code = element.querySelector("pre.code code");
    Object.assign(this, { element, place, code, published: code.textContent, highlighted: code.innerHTML });
    this.name = code.parentElement.ariaLabel; // "Code 12"
    this.box = element.querySelector(".code-box");
    this.tools = element.querySelector(".run");
    this.stored = [...element.querySelectorAll(":scope > .output, :scope > figure")];
    this.aside = element.matches(".aside"); // a solution: no other cell waits for it
    this.back = button("Back to the published code", () => this.restore());
    this.note = make("span", { className: "changed" }, "Changed");
    element.id ||= `cell-${place + 1}`;
  }

  get source() {
    return this.code.textContent;
  }

  get changed() {
    return this.source !== this.published;
  }

  async edit() {
    if (!this.editor) {
      const { EditorView, Prec, extensions, keymap } = await import("./codemirror.min.js");
      const out = () => (this.tools.firstChild.focus(), true);
      const keys = [{ key: "Shift-Enter", run: () => (press(this.element, "Run"), true) }, { key: "Escape", run: out }];
      this.host = make("div", { className: "editor" });
      const root = this.host.attachShadow({ mode: "open" }); // where the pages' policy lets an editor have its style
      root.append(look());
      this.editor = new EditorView({
        doc: this.source,
        root,
        parent: root,
        extensions: [
          Prec.highest(keymap.of(keys)),
          extensions,
          EditorView.contentAttributes.of({ "aria-label": `${this.name}. Shift+Enter runs it, Escape leaves it.` }),
          EditorView.updateListener.of((update) => update.docChanged && this.write(update.state.doc.toString())),
        ],
      });
      this.box.before(this.host);
      this.box.hidden = true;
    }
    this.editor.focus();
  }

  write(source) {
    if (source === this.published) this.code.innerHTML = this.highlighted;
    else this.code.textContent = source;
    if (this.changed) this.tools.append(this.note, this.back);
    else this.note.remove(), this.back.remove();
    keep();
  }

  restore() {
    const inside = this.element.contains(document.activeElement);
    this.editor?.destroy();
    this.host?.remove();
    this.editor = undefined;
    this.box.hidden = false;
    this.ran = undefined;
    this.show();
    this.write(this.published);
    if (inside) this.tools.firstChild.focus();
    say(`${this.name} is as published again.`);
  }

  // ---- What it shows: the stored outputs, or those of a run in their place ----
  show(results) {
    this.results?.remove();
    this.results = results;
    for (const stored of this.stored) stored.hidden = Boolean(results);
    if (results) this.element.append(results);
  }

  begin() {
    this.fresh = true; // what it showed stays until there is something new
    this.wrong = undefined;
    this.text = "";
    this.figures = this.stored.filter((stored) => stored.matches("figure"));
    this.element.setAttribute("aria-busy", "true");
  }

  add(result) {
    if (this.fresh) this.show(make("div", { className: "results" }));
    this.fresh = false;
    if (result) this.results.append(result);
  }

  receive({ kind, text, more }) {
    if (kind === "text") {
      const printed = !this.fresh && this.results.lastChild?.printed;
      this.text += text;
      if (printed) return printed.append(text);
      const samp = make("samp", {}, text);
      this.add(Object.assign(output(samp), { printed: samp }));
    } else if (kind === "html") {
      const table = make("div", { className: "table", innerHTML: text, tabIndex: 0, role: "group", ariaLabel: "Table" });
      this.add(make("div", { className: "output" }, table));
    } else if (kind === "error") {
      this.wrong = text;
      const error = output(make("samp", {}, text));
      error.classList.add("wrong");
      if (more) error.append(make("details", { className: "fold" }, make("summary", {}, "Traceback"), pre(make("samp", {}, more))));
      this.add(error);
    } else {
      // A drawing, or an explorer around one, in the figure that it was, with the caption.
      const figure = this.figures.shift()?.cloneNode(true) ?? make("figure", {}, make("div", { className: "drawing" }));
      const drawing = make("div", { className: "drawing", innerHTML: text });
      const shown = more ? make("div", { innerHTML: `${more}</gd-explorer>` }).firstChild : drawing;
      if (more) shown.append(drawing);
      figure.hidden = false;
      figure.querySelector("gd-explorer, .drawing").replaceWith(shown);
      this.add(figure);
    }
  }

  end(code) {
    this.element.removeAttribute("aria-busy");
    this.ran = this.wrong ? undefined : code;
    if (this.fresh) this.add(); // it shows nothing
    const published = this.stored.find((stored) => stored.matches(".as-published"));
    if (published && this.ran !== undefined) {
      const same = this.text.trimEnd() === published.querySelector("samp").textContent.trimEnd();
      const mark = published.querySelector(".mark").cloneNode(true);
      (mark.querySelector("a") ?? mark).textContent = same ? "as published, computed in your browser" : "other numbers than the published ones";
      mark.classList.toggle("differs", !same);
      this.results.lastChild?.append(mark);
      this.results.lastChild?.classList.toggle("as-published", same);
    }
    keep();
  }
}

// ---- What the reader changed and ran survives the visit ----
function keep() {
  const all = cells.filter((cell) => cell.changed || cell.results);
  const kept = (cell, results) => [cell.place, cell.published, cell.source, results ? (cell.results?.innerHTML ?? null) : null];
  try {
    const whole = JSON.stringify(all.map((cell) => kept(cell, true)));
    if (!all.length) localStorage.removeItem(key);
    else localStorage.setItem(key, whole.length < MOST ? whole : JSON.stringify(all.map((cell) => kept(cell, false))));
  } catch (error) {
    // No storage: it lasts as long as the page.
  }
}

function recall() {
  let kept = [];
  try {
    kept = JSON.parse(localStorage.getItem(key)) ?? [];
  } catch (error) {
    return;
  }
  for (const [place, published, source, results] of kept) {
    const cell = cells[place];
    if (cell?.published !== published) continue; // the book has other code there now
    if (results !== null) cell.show(make("div", { className: "results", innerHTML: results }));
    if (source === published) continue;
    cell.write(source);
    cell.element.querySelectorAll("details.fold").forEach((fold) => (fold.open ||= fold.contains(cell.box)));
  }
  if (!kept.length) return;
  keep();
  bar.hidden = false;
  say("Your changes and results are from your last visit. Python starts at the next Run.");
}

// ---- Python: a worker, asked for one cell at a time ----
let worker, current, running, finished;
let waiting = [];

function ask(cell) {
  worker ??= new Worker(new URL("worker.js", import.meta.url), { type: "module" });
  cell.begin();
  const alts = cell.changed ? [] : cell.figures.map((figure) => figure.querySelector("[role=img]")?.ariaLabel ?? "");
  return new Promise((done) => {
    finished = done;
    worker.onmessage = ({ data }) => {
      if (data.kind === "progress") return load(data);
      if (data.kind === "running") return load();
      if (data.kind === "done") return done();
      if (data.kind !== "failed") return cell.receive(data);
      cell.receive({ kind: "error", text: `Python could not be loaded. ${data.text}` });
      end();
    };
    worker.onerror = () => worker.onmessage({ data: { kind: "failed", text: "This browser does not let it." } });
    const { source: code, name, place } = cell;
    worker.postMessage({ code, name, place, alts, libraries: document.body.dataset.python.split(" ") });
  });
}

async function work() {
  if (current) return;
  const begin = performance.now();
  const seconds = () => ((performance.now() - begin) / 1000).toFixed(1);
  let count = 0;
  bar.hidden = false;
  bar.classList.add("busy");
  say(worker ? "Running." : "Loading Python. The first time takes a while.");
  while ((current = waiting.shift())) {
    running = current.source;
    await ask(current);
    current.end(running);
    count += 1;
    if (!current.wrong) continue;
    const last = waiting.pop();
    waiting = [];
    say(`${current.name} stopped. ${current.wrong}`);
    last?.begin();
    last?.receive({ kind: "error", text: `Not run: a cell above stopped, ${current.name}.` });
    last?.end();
    last?.results.lastChild.append(make("a", { href: `#${current.element.id}` }, "Go there"));
    count = 0;
  }
  load();
  bar.classList.remove("busy");
  if (count) say(`${count} ${count === 1 ? "cell has" : "cells have"} run, in ${seconds()} s.`);
}

function end() {
  worker?.terminate();
  worker = undefined;
  waiting = [];
  for (const cell of cells) cell.ran = undefined;
  finished?.();
}

function stop() {
  current?.receive({ kind: "error", text: "Stopped. Python starts afresh at the next Run." });
  if (current) end();
}

function restart() {
  stop();
  end();
  for (const cell of cells) cell.show();
  keep();
  say("Python starts afresh at the next Run.");
}

function clear() {
  restart();
  for (const cell of cells) if (cell.changed || cell.editor) cell.restore();
  say("Everything is as published.");
}

// ---- The bar at the foot of the window ----
const status = make("p", { role: "status" });
const progress = make("progress", { max: 1, value: 0, ariaLabel: "Loading Python" });
const label = make("span", { ariaHidden: "true" });
const loading = make("p", { hidden: true }, progress, label);
const bar = make("section", { className: "python-bar", ariaLabel: "Python in this page", hidden: true }, loading, status);
const all = () => (waiting.push(...cells), work());
bar.append(button("Run all", all), button("Stop", stop), button("Restart", restart), button("Clear my changes", clear));

function say(text) {
  status.textContent = text;
}

// What is loading, or the cell that runs.
function load(data) {
  const megabytes = (bytes) => (bytes / 1e6).toFixed(1);
  progress.hidden = !data;
  loading.hidden = !data && !current;
  if (data) progress.value = data.loaded / data.total;
  label.textContent = data ? `${data.name}, ${megabytes(data.loaded)} of ${megabytes(data.total)} MB` : (current ? `${current.name} is running` : "");
}

document.head.append(look());
const cells = [...document.querySelectorAll(".cell.live")].map((element, place) => new Cell(element, place));
document.querySelector("main").append(bar);
recall();

// What book.js calls: Run or Edit of a cell. The cells above that have not run as they are now run first.
export function press(element, what) {
  const cell = cells.find((one) => one.element === element);
  if (what === "Edit") return cell.edit();
  const above = cells.slice(0, cell.place).filter((one) => one.ran !== one.source && (cell.aside || !one.aside));
  for (const one of [...above, cell]) if (!waiting.includes(one) && (one !== current || one.source !== running)) waiting.push(one);
  return work();
}
