// Requests to the program that serves this page, and to nobody else.

export class Refused extends Error {
  constructor({ message, hint = "" }) {
    super(message);
    this.hint = hint;
  }
}

export const GONE = {
  message: "The program that serves this page has ended or cannot be reached.",
  hint: "Start pocketbert demo again, and open the address that it prints.",
};

async function checked(sent) {
  let response;
  try {
    response = await sent;
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused(GONE);
  }
  if (response.ok) return response;
  const body = await response.json().catch(() => ({}));
  throw new Refused(body.error ?? { message: `The program answered with ${response.status}.` });
}

export const state = async () => (await checked(fetch("state"))).json();

// Calls `heard` with every line of an answer as it comes.
export async function lines(path, body, heard, signal) {
  const response = await checked(fetch(path, {
    method: "POST", signal, body: JSON.stringify(body), headers: { "Content-Type": "application/json" },
  }));
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      const parts = (rest + value).split("\n");
      rest = parts.pop();
      for (const part of parts) heard(JSON.parse(part));
    }
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw error instanceof TypeError ? new Refused(GONE) : error;
  }
}

// One request at a time: a new one ends the one before.
export class Line {
  #controller = null;

  get isBusy() { return this.#controller !== null; }

  stop() {
    this.#controller?.abort();
    this.#controller = null;
  }

  // Returns whether the answer came to its end.
  async send(path, body, heard) {
    this.stop();
    const mine = new AbortController();
    this.#controller = mine;
    try {
      await lines(path, body, (line) => { if (!mine.signal.aborted) heard(line); }, mine.signal);
      return true;
    } catch (error) {
      if (error.name === "AbortError") return false;
      throw error;
    } finally {
      if (this.#controller === mine) this.#controller = null;
    }
  }
}
