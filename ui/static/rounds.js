// Small comforts of the whole page. What is typed is never kept in browser storage.

// A section that was changed and then left alone for a while is saved, as on leaving the box.
const IDLE_MS = 5000;
let idle = 0;
let typed = false; // since the page last said what is saved
document.addEventListener("input", (event) => {
  if (!event.target.closest?.(".draft-text")) return;
  typed = true;
  window.clearTimeout(idle);
  idle = window.setTimeout(() => document.querySelector("#save-edits")?.click(), IDLE_MS);
});

// An export holds what is on the page: what was typed is saved before the file is made. Where it
// cannot be saved, the page says why, and no file with an older text is made.
const SAVED_WITHIN_MS = 15000;
function saveFirst() {
  return new Promise((resolve) => {
    // Not #saved itself, in which Gradio counts the seconds.
    const said = document.querySelector("#saved .html-container");
    const watcher = new MutationObserver(() => done(true));
    const done = (saved) => {
      watcher.disconnect();
      resolve(saved);
    };
    watcher.observe(said, { childList: true, characterData: true, subtree: true });
    window.setTimeout(() => done(false), SAVED_WITHIN_MS);
    document.querySelector("#save-edits").click();
  });
}
document.addEventListener("click", async (event) => {
  const link = event.target.closest?.("#exports a");
  if (!link || !typed) return;
  event.preventDefault();
  if (!(await saveFirst())) return;
  typed = false;
  link.click();
});

// Ctrl+S saves, Ctrl+Enter asks or tags.
document.addEventListener("keydown", (event) => {
  if (!(event.ctrlKey || event.metaKey)) return;
  if (event.key === "s" && document.querySelector("#save-edits")?.offsetParent) {
    event.preventDefault();
    document.querySelector("#save-edits").click();
  }
  const box = event.key === "Enter" && event.target.closest?.("#question, #tag-text");
  if (box) document.querySelector(box.id === "question" ? "#ask" : "#tag")?.click();
});

// A citation opens its passage.
document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[data-cite]");
  if (!link) return;
  event.preventDefault();
  const passage = document.getElementById(link.dataset.cite);
  if (!passage) return;
  passage.open = true;
  passage.querySelector("summary")?.focus();
  passage.scrollIntoView({ block: "nearest" });
});

// A double click starts one piece of work, not two. (The button rests as soon as the server says.)
const AGAIN_MS = 600;
let last = { button: null, at: 0 };
document.addEventListener(
  "click",
  (event) => {
    const button = event.target.closest?.("button.primary");
    if (!button) return;
    const again = button === last.button && event.timeStamp - last.at < AGAIN_MS;
    if (again) event.stopImmediatePropagation();
    else last = { button, at: event.timeStamp };
  },
  true,
);
