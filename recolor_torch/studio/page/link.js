// The socket to the server: one picture, the newest marks win, and a server that is gone is waited for.
export class Link {
  constructor(handlers) { this.handlers = handlers; this.seq = 0; this.socket = null; this.index = -1; this.wait = 300; this.waiting = null; this.busy = 0; }

  open(index) {
    this.index = index;
    clearTimeout(this.timer);
    if (this.socket) { this.socket.onclose = null; this.socket.onmessage = null; this.socket.close(); }
    this.connect(true);
  }

  connect(first) {
    const url = new URL(`socket/${this.index}`, location.href);
    url.protocol = url.protocol.replace("http", "ws");
    const socket = (this.socket = new WebSocket(url));
    socket.binaryType = "arraybuffer";
    this.waiting = null; this.busy = 0;
    socket.onmessage = ({ data }) => {
      if (typeof data !== "string") { this.frame(data); return; }
      const message = JSON.parse(data);
      if (message.type === "hello") { this.wait = 300; this.handlers.here(); message.first = first; }
      if (message.type === "refused") { this.refused = true; }
      this.handlers[message.type]?.(message);
    };
    socket.onclose = (event) => {
      if (this.socket !== socket) return;
      if (event.code === 1013 && event.reason) this.handlers.error({ text: event.reason });
      if (this.refused) { this.refused = false; return; }
      this.handlers.gone();
      this.timer = setTimeout(() => this.connect(false), this.wait);
      this.wait = Math.min(4000, this.wait * 1.7);
    };
  }

  frame(data) {
    const length = new DataView(data).getUint32(0, true);
    const header = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, length)));
    this.busy = 0;
    this.handlers.chroma(header, new Uint16Array(data, 4 + length));
    if (this.waiting) { const next = this.waiting; this.waiting = null; this.paint(next, true); }
  }

  send(message) { if (this.socket?.readyState === WebSocket.OPEN) { this.socket.send(JSON.stringify(message)); return true; } return false; }

  /** Send marks. While the brush moves, at most one message is on its way. */
  paint(marks, moving) {
    const now = performance.now();
    if (moving && this.busy && now - this.busy < 400) { this.waiting = marks; return; }
    if (!moving) this.waiting = null;
    this.busy = now;
    this.send({ type: "paint", seq: ++this.seq, moving, marks });
  }

  choose(recipe) { this.send({ type: "recipe", seq: ++this.seq, recipe }); }
}

/** Ask the server for something; raises with its sentence. */
export async function ask(path, options = {}) {
  const answer = await fetch(path, options);
  if (answer.ok) return answer;
  let text = `${answer.status} ${answer.statusText}`;
  try { text = (await answer.json()).error ?? text; } catch { /* its status has to do */ }
  throw new Error(text);
}

export async function post(path, body) {
  return (await ask(path, { method: "POST", body: JSON.stringify(body) })).json();
}
