// Talks to the server. What was decided is kept in this browser until the server has said that it is saved, and is
// sent again under the same name after a lost answer or a restart, so that it is said once.

const META = document.querySelector("meta[name=session]");
const KEY = "deepfield-outbox";
const PAUSES_MS = [300, 1000, 2000, 5000];

let session = META.content;
let outbox = JSON.parse(localStorage.getItem(KEY) || "[]");
let running = null;
let failures = 0;

export const desk = { onReply() {}, onRefused() {}, onState() {} };

export function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export function pending() {
  return outbox.length;
}

// Those taken back count too: an answer that was on its way may still call them lost.
export function pendingIds() {
  return outbox.flatMap(({ body }) => body.image_ids || (body.image_id ? [body.image_id] : []));
}

// What is sent at last is asked of `fill` at that moment: how many frames are wanted depends on what is in view then.
export function send(path, body, fill) {
  outbox.push({ path, body });
  keep();
  return flush(fill);
}

export function flush(fill) {
  running ||= drain(fill).finally(() => { running = null; });
  return running;
}

async function drain(fill) {
  while (outbox.length) {
    const { path, body } = outbox[0];
    try {
      const reply = await post(path, { ...body, ...fill() });
      failures = 0;
      outbox.shift();
      keep();
      if (reply.refusal) desk.onRefused(reply.refusal, body, path);
      else desk.onReply(path, body, reply);
    } catch (error) {
      failures += 1;
      desk.onState(outbox.length, error.message);
      await new Promise((done) => setTimeout(done, PAUSES_MS[Math.min(failures, PAUSES_MS.length) - 1]));
    }
  }
}

export async function post(path, body) {
  const answer = await ask(path, body);
  if (answer.status === 401) {
    location.assign("/login");
    throw new Error("Log in first.");
  }
  if (answer.status === 403) {
    const before = session;
    session = (await (await fetch("/api/session")).json()).session;
    if (session !== before) return post(path, body); // the server was started anew: its pages carry another word
    throw new Error("The server refuses this page: load it anew.");
  }
  const reply = await answer.json().catch(() => ({}));
  if (answer.ok) return reply;
  if (answer.status >= 500) throw new Error(reply.error || "The server has a fault.");
  return { refusal: reply.error || "The server did not understand that." };
}

function ask(path, body) {
  return fetch(path, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-Deepfield": session },
    body: JSON.stringify(body),
    keepalive: true,
  }).catch(() => { throw new Error("The server does not answer."); });
}

function keep() {
  localStorage.setItem(KEY, JSON.stringify(outbox));
  desk.onState(outbox.length, "");
}
