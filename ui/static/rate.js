// Ratings, one for each output shown here: five buttons, a comment, Save. Keys 1 to 5 work inside
// one, but not while typing.
const unsaved = new Map(); // output -> what was chosen and typed, until it is saved

const comment = (rate) => rate.querySelector("textarea");
const chosen = (rate) => Number(rate.dataset.chosen || 0);

function choose(rate, score) {
  rate.dataset.chosen = score;
  for (const button of rate.querySelectorAll("button[data-score]")) {
    button.setAttribute("aria-pressed", String(Number(button.dataset.score) === score));
  }
  const button = rate.querySelector(`button[data-score="${score}"]`);
  const anchor = rate.querySelector(".anchor");
  anchor.textContent = button ? button.title : anchor.dataset.empty;
  rate.classList.toggle("open", score > 0);
}

function note(rate) {
  const said = { after: rate.dataset.saved, score: chosen(rate), comment: comment(rate).value };
  unsaved.set(rate.dataset.output, said);
}

// New outputs, or saved ratings, come as a new value: show what it says, and what was not saved.
function refresh() {
  for (const rate of element.querySelectorAll(".rate")) {
    const mine = unsaved.get(rate.dataset.output);
    const newer = mine && mine.after === rate.dataset.saved;
    if (!newer) unsaved.delete(rate.dataset.output);
    comment(rate).value = newer ? mine.comment : rate.dataset.comment || "";
    choose(rate, newer ? mine.score : Number(rate.dataset.score || 0));
  }
}

function save(rate) {
  if (!chosen(rate)) return;
  const { output } = rate.dataset;
  trigger("submit", { output, score: chosen(rate), comment: comment(rate).value });
}

element.addEventListener("click", (event) => {
  const rate = event.target.closest(".rate");
  const score = event.target.closest("button[data-score]");
  if (rate && score) {
    choose(rate, Number(score.dataset.score));
    note(rate);
  }
  if (rate && event.target.closest("button[data-save]")) save(rate);
});

element.addEventListener("input", (event) => {
  const rate = event.target.closest(".rate");
  if (rate) note(rate);
});

element.addEventListener("keydown", (event) => {
  const rate = event.target.closest(".rate");
  if (!rate) return;
  const typing = event.target.matches("textarea, input");
  const held = event.ctrlKey || event.metaKey || event.altKey;
  if (!typing && !held && /^[1-5]$/.test(event.key)) {
    event.preventDefault();
    choose(rate, Number(event.key));
    note(rate);
    rate.querySelector(`button[data-score="${event.key}"]`).focus();
  }
  if (typing && event.key === "Enter" && (event.ctrlKey || event.metaKey)) save(rate);
});

watch("value", refresh);
refresh();
