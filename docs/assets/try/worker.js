// Runs Python for try.js, in a worker, so that the page answers meanwhile and an endless loop can be stopped.
//
// In:  { engine, code }: run code. `engine` is the content of engine.json and the address that it came from.
// Out: { state: "loading" | "running" }, { text }: what it prints, and at the end { end: "" | traceback } or
//      { failed: reason } if Python itself can't be loaded.

const PRINTED_AT_MOST = 200_000; // characters
const SHOWN_EVERY = 50; // milliseconds

// The traceback has only the lines of the example, not those of the library below them.
const PROGRAM = `
import asyncio, linecache, sys, traceback, types
from pyodide.code import eval_code_async


async def run(code, name="example.py"):
    module = types.ModuleType("__main__")
    sys.modules["__main__"] = module
    linecache.cache[name] = len(code), None, code.splitlines(True), name
    tasks = asyncio.all_tasks()
    try:
        await eval_code_async(code, vars(module), return_mode="none", filename=name)
    except SystemExit:
        pass
    except BaseException as error:
        shown = whole = traceback.TracebackException.from_exception(error)
        while shown is not None:
            shown.stack = traceback.StackSummary.from_list(each for each in shown.stack if each.filename == name)
            shown = shown.__cause__ or shown.__context__
        return "".join(whole.format())
    finally:
        for task in asyncio.all_tasks() - tasks:
            task.cancel()
    return ""
`;

let loaded = null;
let pending = "";
let printed = 0;
let shownAt = 0;

function show() {
    if (pending) postMessage({ text: pending });
    pending = "";
    shownAt = performance.now();
}

function print(text) {
    if (printed > PRINTED_AT_MOST) return;
    printed += text.length;
    pending += printed > PRINTED_AT_MOST ? "\n… and more, which is not shown\n" : text;
    if (performance.now() - shownAt > SHOWN_EVERY) show();
}

function writer() {
    const decoder = new TextDecoder();
    return { write: (bytes) => { print(decoder.decode(bytes, { stream: true })); return bytes.length; } };
}

async function load(engine) {
    const folder = new URL(`${engine.folder}/`, engine.address);
    const { loadPyodide } = await import(new URL("pyodide.mjs", folder));
    const [python, ...wheels] = await Promise.all([
        loadPyodide({ indexURL: folder.href }),
        ...engine.wheels.map(async (name) => {
            const answer = await fetch(new URL(name, folder));
            if (!answer.ok) throw new Error(`${name}: ${answer.status}`);
            return answer.arrayBuffer();
        }),
    ]);
    for (const wheel of wheels) python.unpackArchive(wheel, "wheel");
    python.setStdin({ error: true });
    python.setStdout(writer());
    python.setStderr(writer());
    python.runPython(PROGRAM);
    // Imported before the first run, so that no run is slower than the others.
    python.runPython("import cendry; cendry.AsyncMemoryBackend, cendry.MemoryBackend");
    return python.globals.get("run");
}

onmessage = async ({ data: { engine, code } }) => {
    try {
        postMessage({ state: "loading" });
        loaded ??= load(engine);
        await loaded;
    } catch (error) {
        loaded = null;
        postMessage({ failed: String(error) });
        return;
    }
    const run = await loaded;
    printed = 0;
    postMessage({ state: "running" });
    const end = await run(code);
    show();
    postMessage({ end });
};
