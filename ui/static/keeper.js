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

// A click: sent again until it is answered. One that a dying server had begun may run twice; what
// the page writes bears that (versions and ratings are added, and the newest counts).
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

// Gradio sends changes of the last update and applies them in place: two that come in one go
// spoil each other. So each message is let through only when the one before is on the page.
const SETTLE_MS = 50; // a window behind others draws no frames
const settle = () =>
  new Promise((resolve) => {
    window.requestAnimationFrame(() => window.setTimeout(resolve, 0));
    window.setTimeout(resolve, SETTLE_MS);
  });

// The stream of answers, message by message; its breaking off is turned into an orderly end.
class Mended {
  constructor(body, signal) {
    this.reader = body.getReader();
    this.signal = signal;
    this.decoder = new TextDecoder();
    this.encoder = new TextEncoder();
    this.rest = "";
    this.backlog = [];
    this.closed = false; // the server said so: what is still pending is for the next stream
    this.broken = false;
  }

  // Read until there is a whole message; false when there will be none.
  async fill() {
    while (!this.backlog.length) {
      let read;
      try {
        read = await this.reader.read();
      } catch {
        this.broken = !this.signal?.aborted;
        return false;
      }
      if (read.done) {
        this.broken = !this.closed && pending.size > 0;
        return false;
      }
      const messages = (this.rest + this.decoder.decode(read.value, { stream: true })).split("\n\n");
      this.rest = messages.pop();
      this.backlog.push(...messages);
    }
    return true;
  }

  async pull(out) {
    if (await this.fill()) {
      const message = this.backlog.shift();
      this.closed ||= message.includes('"msg":"close_stream"');
      if (message.includes('"msg":"process_completed"')) {
        pending.delete(/"event_id":"([^"]+)"/.exec(message)?.[1]);
      }
      out.enqueue(this.encoder.encode(`${message}\n\n`));
      return settle();
    }
    if (this.broken) {
      out.enqueue(this.encoder.encode(farewell()));
      waitForServer();
    }
    return out.close();
  }

  cancel(reason) {
    return this.reader.cancel(reason);
  }
}

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
  return new Response(new ReadableStream(new Mended(response.body, request.signal)), { headers });
}

window.fetch = (input, init) => {
  const path = new URL(input.url ?? input, window.location.href).pathname;
  if (path.endsWith("/queue/join")) return join(input, init);
  if (path.endsWith("/queue/data") && input instanceof Request) return stream(input);
  return send(input, init);
};
