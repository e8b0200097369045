// Python for one page: loads Pyodide from beside itself and runs the cells that the page sends, one by one.
import { loadPyodide } from "./pyodide/pyodide.mjs";

const files = new URL("pyodide/", import.meta.url).href;
const fetched = self.fetch.bind(self);
const names = {}; // of packages, by their files
let sizes, python, runner, imports, lock;

const say = (kind, text, more) => postMessage({ kind, text, more });

// ---- Files on their way: counted, and kept, so that a second visit needs no network ----
const progress = { loaded: 0, total: 0 };
let told = 0;
function count(bytes, name) {
  progress.loaded += bytes;
  if (performance.now() - told < 50 && progress.loaded < progress.total) return;
  told = performance.now();
  postMessage({ kind: "progress", name, ...progress });
}

async function kept(url, options) {
  const cache = await self.caches?.open("python").catch(() => undefined); // none in a private window
  const found = await cache?.match(url);
  if (found) return found;
  const answer = await fetched(url, options);
  if (answer.ok) cache?.put(url, answer.clone()).catch(() => undefined);
  return answer;
}

self.fetch = async (address, options) => {
  const url = String(address.url ?? address);
  const name = url.slice(files.length);
  if (!url.startsWith(files) || !(name in sizes)) return fetched(address, options);
  const packed = name.endsWith(".wasm");
  const answer = await kept(packed ? url + ".packed" : url, options);
  if (!answer.ok) return answer;
  const label = names[name] ?? "Python";
  const counter = new TransformStream({
    transform(chunk, controller) {
      count(chunk.byteLength, label);
      controller.enqueue(chunk);
    },
  });
  let body = answer.body.pipeThrough(counter);
  if (packed) body = body.pipeThrough(new DecompressionStream("gzip"));
  return new Response(body, { headers: { "content-type": packed ? "application/wasm" : "application/octet-stream" } });
};

// ---- Python ----
// The packages of these libraries, with what they depend on.
function packages(libraries) {
  const found = new Set();
  const add = (name) => {
    const one = lock.packages[name.toLowerCase()];
    if (!one || found.has(one)) return;
    one.depends.forEach(add);
    found.add(one);
  };
  for (const one of Object.values(lock.packages)) if (one.imports.some((name) => libraries.includes(name))) add(one.name);
  return [...found];
}

const expect = (names) => names.forEach((name) => (progress.total += sizes[name]));

async function start(libraries) {
  lock = await (await fetched(files + "pyodide-lock.json")).json();
  sizes = lock.sizes;
  for (const one of Object.values(lock.packages)) names[one.file_name] = one.name;
  const first = packages(libraries);
  expect(["pyodide.asm.wasm", "python_stdlib.zip", ...first.map((one) => one.file_name)]);
  count(0, "Python");
  const book = fetched(new URL("book.zip", import.meta.url)).then((answer) => answer.arrayBuffer());
  python = await loadPyodide({ indexURL: files, packages: first.map((one) => one.name), env: { HOME: "/home/pyodide", MPLBACKEND: "svg" } });
  python.unpackArchive(await book, "zip", { extractDir: "/book" });
  python.FS.chdir("/book/chapters");
  python.runPython("import sys; sys.path.insert(0, '/book')");
  runner = python.pyimport("book.live.runner");
  imports = python.pyimport("pyodide.code").find_imports;
}

async function run({ code, name, place, alts }) {
  const more = packages(imports(code).toJs()).filter((one) => !(one.name in python.loadedPackages));
  if (more.length) {
    expect(more.map((one) => one.file_name));
    await python.loadPackage(more.map((one) => one.name), { messageCallback() {}, errorCallback() {} });
    const absent = more.filter((one) => !(one.name in python.loadedPackages));
    if (absent.length) throw new Error(`${absent[0].name} did not come. Is there a network?`);
  }
  postMessage({ kind: "running" }); // so that the page says so before Python takes this thread
  runner.run(code, name, place, python.toPy(lock.elsewhere), python.toPy(alts), say);
}

let ready;
onmessage = async ({ data }) => {
  try {
    await (ready ??= start(data.libraries));
    await run(data);
  } catch (error) {
    say("failed", String(error.message ?? error), "");
  }
  postMessage({ kind: "done" });
};
