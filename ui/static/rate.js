// One rating: five buttons, a comment, Save. Keys 1 to 5 work inside, but not while typing.
const scores = () => [...element.querySelectorAll("button[data-score]")];
const comment = () => element.querySelector("textarea");
let chosen = 0;
let shown = "";

function choose(score) {
  chosen = score;
  for (const button of scores()) {
    button.setAttribute("aria-pressed", String(Number(button.dataset.score) === score));
  }
  const button = scores()[score - 1];
  const anchor = element.querySelector(".anchor");
  if (anchor) anchor.textContent = button ? button.title : anchor.dataset.empty;
  element.querySelector(".rate")?.classList.toggle("open", score > 0);
}

// A new output, or a saved rating, comes as a new value: show what it says.
function refresh() {
  const rate = element.querySelector(".rate");
  const key = rate ? `${rate.dataset.output} ${rate.dataset.saved}` : "";
  if (key === shown) return;
  shown = key;
  if (!rate) return;
  if (comment()) comment().value = rate.dataset.comment || "";
  choose(Number(rate.dataset.score || 0));
}

function save() {
  if (chosen) trigger("submit", { score: chosen, comment: comment()?.value || "" });
}

element.addEventListener("click", (event) => {
  const score = event.target.closest("button[data-score]");
  if (score) choose(Number(score.dataset.score));
  if (event.target.closest("button[data-save]")) save();
});

element.addEventListener("keydown", (event) => {
  const typing = event.target.matches("textarea, input");
  const held = event.ctrlKey || event.metaKey || event.altKey;
  if (!typing && !held && /^[1-5]$/.test(event.key) && scores().length) {
    event.preventDefault();
    choose(Number(event.key));
    scores()[Number(event.key) - 1].focus();
  }
  if (typing && event.key === "Enter" && (event.ctrlKey || event.metaKey)) save();
});

watch("value", refresh);
refresh();
