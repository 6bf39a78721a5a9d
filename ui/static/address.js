// The address bar names the open draft, so that a reload brings it back.
function show() {
  const address = new URL(window.location.href);
  const draft = props.value.draft || "";
  if ((address.searchParams.get("draft") || "") === draft) return;
  if (draft) address.searchParams.set("draft", draft);
  else address.searchParams.delete("draft");
  window.history.replaceState(window.history.state, "", address);
}
watch("value", show);
