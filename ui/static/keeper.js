// Keeps the page whole while the server restarts. Left alone, Gradio reloads the page when the
// connection breaks, and what was typed is gone. Here a click waits until the server is back, and
// a broken stream ends as if its work had ended; then the page is asked to catch up (#resume).
const RETRY_MS = 1000;
const SAYS =
  "Rounds is not answering at the moment. Everything you typed is still here; " +
  "keep this page open. It goes on by itself.";
const send = window.fetch.bind(window);
const pending = new Set(); // ids of events whose end has not been seen
const pause = () => new Promise((resolve) => window.setTimeout(resolve, RETRY_MS));
let away = false;

async function answers() {
  try {
    return (await send("/healthz", { cache: "no-store" })).ok;
  } catch {
    return false;
  }
}

// Say that the server is away, wait for it, let the page catch up.
async function waitForServer() {
  if (away) return;
  away = true;
  const banner = document.createElement("div");
  banner.className = "away";
  banner.setAttribute("role", "alert");
  banner.textContent = SAYS;
  document.body.append(banner);
  do await pause();
  while (!(await answers()));
  banner.remove();
  away = false;
  document.querySelector("#resume")?.click();
}

// A click: sent again until it arrives, for it has not been begun.
async function join(input, init) {
  for (;;) {
    try {
      const response = await send(input, init);
      if (response.ok) pending.add((await response.clone().json()).event_id);
      return response;
    } catch {
      waitForServer();
      await pause();
    }
  }
}

// What Gradio is told about the events that a broken stream leaves behind.
function farewell() {
  const ends = [...pending].map((event_id) => ({
    msg: "process_completed",
    event_id,
    success: false,
    output: { error: "", visible: false },
  }));
  pending.clear();
  return [...ends, { msg: "close_stream" }]
    .map((message) => `data: ${JSON.stringify(message)}\n\n`)
    .join("");
}

function noteEnds(text) {
  for (const line of text.split("\n")) {
    if (line.startsWith("data:") && line.includes('"process_completed"')) {
      const found = /"event_id":\s*"([^"]+)"/.exec(line);
      if (found) pending.delete(found[1]);
    }
  }
}

// The stream of answers: passed on as it is; its breaking off is turned into an orderly end.
async function stream(request) {
  const headers = { "content-type": "text/event-stream" };
  let response;
  try {
    response = await send(request);
  } catch {
    if (request.signal?.aborted) return new Response("", { headers }); // the page is closing
  }
  if (!response?.ok) {
    waitForServer();
    return new Response(farewell(), { headers });
  }
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  const encoder = new TextEncoder();
  let rest = "";
  let closed = false; // the server said so: what is still pending is for the next stream
  const body = new ReadableStream({
    async pull(out) {
      try {
        const { done, value } = await reader.read();
        if (value) {
          const lines = (rest + decoder.decode(value, { stream: true })).split("\n");
          rest = lines.pop();
          noteEnds(lines.join("\n"));
          closed ||= lines.some((line) => line.includes('"close_stream"'));
          out.enqueue(value);
        }
        if (done && (closed || !pending.size)) return out.close();
        if (!done) return undefined;
      } catch {
        if (request.signal?.aborted) return out.close();
      }
      // The blank line ends a message that may have been cut in the middle.
      out.enqueue(encoder.encode(`\n\n${farewell()}`));
      waitForServer();
      return out.close();
    },
    cancel: (reason) => reader.cancel(reason),
  });
  return new Response(body, { headers });
}

window.fetch = (input, init) => {
  const path = new URL(input.url ?? input, window.location.href).pathname;
  if (path.endsWith("/queue/join")) return join(input, init);
  if (path.endsWith("/queue/data") && input instanceof Request) return stream(input);
  return send(input, init);
};
