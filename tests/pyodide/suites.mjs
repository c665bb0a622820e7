// Runs pytest in Pyodide, in Node.js: node suites.mjs PYODIDE ROOT PACKAGES LEAST [ARGUMENTS OF PYTEST]

const [engine, root, packages, least, ...options] = process.argv.slice(2);
const { loadPyodide } = await import(`${engine}/pyodide.mjs`);
const python = await loadPyodide({ indexURL: `${engine}/`, env: { HOME: "/home/pyodide" } });

for (const [place, folder] of [["/repository", root], ["/packages", packages]]) {
    python.FS.mkdir(place);
    python.FS.mount(python.FS.filesystems.NODEFS, { root: folder }, place);
}
for (const set of ["setStdout", "setStderr"]) {
    python[set]({ write: (bytes) => { process.stdout.write(bytes); return bytes.length; } });
}
python.globals.set("options", python.toPy(options));
process.exitCode = python.runPython(`
import asyncio, os, sys

sys.dont_write_bytecode = True
sources = [f"/repository/packages/cendry-{name}/src" for name in ("core", "memory")]
sys.path[:0] = ["/packages", *sources, "/repository/tests/pyodide"]
os.chdir("/repository")
# Pyodide's own loop is that of JavaScript, which does not run before Python returns.
asyncio._set_running_loop(None)

import inside

inside.run(list(options), ${least})
`);
