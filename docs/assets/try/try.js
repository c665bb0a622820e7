// The page "Try it in the browser": an editor for the examples of the page, which worker.js runs.
//
// Nothing is loaded before the first run but engine.json, which says where Python is. All texts are shown as text.

const here = new URL(".", import.meta.url);
const panel = document.getElementById("try");
const shown = document.querySelector(".try-examples");
const examples = [...shown.querySelectorAll("h2")].map((title) => {
    const block = title.nextElementSibling.querySelector("code");
    return { title: title.firstChild.textContent.trim(), code: `${block.textContent.trim()}\n` };
});
const edited = new Map();
let engine = null;
let worker = null;

function make(name, attributes, ...children) {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.append(...children);
    return element;
}

const choice = make("select", { id: "try-choice" }, ...examples.map(({ title }) => make("option", {}, title)));
const editor = make("textarea", {
    id: "try-code", spellcheck: "false", autocapitalize: "off", autocomplete: "off", autocorrect: "off", wrap: "off",
    "aria-describedby": "try-keys",
});
const run = make("button", { type: "button", class: "try-run", title: "Ctrl+Enter" }, "Run");
const stop = make("button", { type: "button", disabled: "" }, "Stop");
const reset = make("button", { type: "button" }, "Reset");
const state = make("span", { class: "try-state", role: "status" });
const output = make("pre", { id: "try-output", tabindex: "0", "aria-label": "Output" });

function example() {
    return examples[choice.selectedIndex];
}

function fit() {
    editor.rows = Math.min(24, Math.max(8, editor.value.split("\n").length + 1));
}

function show() {
    editor.value = edited.get(example()) ?? example().code;
    editor.scrollTop = 0;
    output.textContent = "";
    reset.disabled = editor.value === example().code;
    fit();
}

function append(text, kind) {
    const isAtEnd = output.scrollTop + output.clientHeight >= output.scrollHeight - 5;
    output.append(kind ? make("span", { class: kind }, text) : text);
    if (isAtEnd) output.scrollTop = output.scrollHeight;
}

function say(text, isBusy = false) {
    state.textContent = text;
    panel.classList.toggle("try-busy", isBusy);
    run.disabled = isBusy;
    stop.disabled = !isBusy;
}

function end() {
    worker?.terminate();
    worker = null;
}

async function described() {
    const address = new URL("engine.json", here);
    const answer = await fetch(address, { cache: "no-cache" });
    if (!answer.ok) return { missing: "this copy of the site has no engine.json" };
    return { ...(await answer.json()), address: address.href };
}

function lacking(reason) {
    say("");
    run.disabled = true;
    append(`Python is not part of this copy of the documentation: ${reason}.`, "try-error");
}

function hear({ data }) {
    if (data.state === "loading") say("Loading Python …", true);
    if (data.state === "running") say("Running …", true);
    if (data.text) append(data.text);
    if (data.failed !== undefined) {
        end();
        append(`Python can't be loaded: ${data.failed}`, "try-error");
        say("Not loaded");
    }
    if (data.end !== undefined) {
        if (data.end) append(data.end, "try-error");
        say(data.end ? "Ended by an error" : "Done");
        output.scrollIntoView({ block: "nearest" });
    }
}

function begin() {
    if (run.disabled) return;
    output.textContent = "";
    if (worker === null) {
        const begun = worker = new Worker(new URL("worker.js", here), { type: "module" });
        worker.onmessage = (event) => { if (worker === begun) hear(event); };
        worker.onerror = (event) => { if (worker === begun) hear({ data: { failed: event.message ?? "no worker" } }); };
    }
    say("Loading Python …", true);
    worker.postMessage({ engine, code: editor.value });
}

function halt() {
    end();
    append("\nStopped. The next run loads Python again.\n", "try-error");
    say("Stopped");
}

function insert(text) {
    // execCommand, though deprecated, is what keeps undo.
    if (!document.execCommand("insertText", false, text)) {
        editor.setRangeText(text, editor.selectionStart, editor.selectionEnd, "end");
        editor.dispatchEvent(new Event("input"));
    }
}

let leavesByTab = false;

function key(event) {
    const leaves = leavesByTab;
    leavesByTab = event.key === "Escape" || (leaves && event.key === "Shift");
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
        event.preventDefault();
        begin();
    } else if (event.key === "Tab" && !event.shiftKey && !leaves) {
        event.preventDefault();
        insert("    ");
    } else if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
        const line = editor.value.slice(0, editor.selectionStart).split("\n").pop();
        event.preventDefault();
        insert(`\n${line.match(/^ */)[0]}${/:\s*$/.test(line) ? "    " : ""}`);
    }
}

choice.addEventListener("change", show);
editor.addEventListener("input", () => {
    edited.set(example(), editor.value);
    reset.disabled = editor.value === example().code;
    fit();
});
editor.addEventListener("keydown", key);
run.addEventListener("click", begin);
stop.addEventListener("click", halt);
reset.addEventListener("click", () => { edited.delete(example()); show(); });

panel.append(
    make("div", { class: "try-bar" }, make("label", { for: "try-choice" }, "Example"), choice, run, stop, reset, state),
    make("label", { for: "try-code", class: "try-hidden" }, "Code of the example"),
    editor,
    output,
    make("p", { class: "try-keys", id: "try-keys" },
        "Ctrl+Enter runs. Tab indents; after Esc, it leaves the editor. The first run loads Python, about 13 MB, from "
        + "this site."),
);
shown.hidden = true;
panel.hidden = false;
show();
try {
    engine = await described();
} catch (error) {
    engine = { missing: String(error) };
}
if (engine.missing !== undefined) lacking(engine.missing);
panel.dataset.ready = "";
