"use strict";

// What the page tries when it loads: each throws if it is not as it should be.
const checks = {
  async "the style came with the page"() {
    expect(getComputedStyle(document.body).maxWidth !== "none", "no style");
  },

  async "a picture"() {
    const image = document.getElementById("machine");
    await image.decode();
    expect(image.naturalWidth > 0, "it is empty");
  },

  async "JSON"() {
    const described = await (await fetch("/request?with=query")).json();
    expect(described.target === "/request?with=query", described.target);
  },

  async "a form"() {
    const body = new URLSearchParams({ name: "Ada & Charles" });
    const text = await (await fetch("/form", { method: "POST", body })).text();
    expect(text.includes("Hello, Ada &amp; Charles!"), text);
  },

  async "a form that is too large"() {
    const response = await fetch("/form", { method: "POST", body: new Uint8Array(100_000) });
    expect(response.status === 413, response.status);
  },

  async "a blocking function"() {
    const text = await (await fetch("/words", { method: "POST", body: "three little words" })).text();
    expect(text === "3 words\n", text);
  },

  async "an upload, and back"() {
    const sent = new Uint8Array(1_000_003).map((_, i) => i ^ (i >> 8));
    const { location, bytes } = await upload(sent);
    expect(bytes === sent.length, bytes);
    const back = new Uint8Array(await (await fetch(location)).arrayBuffer());
    expect(back.length === sent.length && back.every((byte, i) => byte === sent[i]), "it has changed");
  },

  async "events"() {
    const heard = await listen(3, 50);
    expect(heard.join() === "1,2,3", heard);
  },

  async "a WebSocket"() {
    const socket = new WebSocket(`ws://${location.host}/echo`);
    await once(socket, "open");
    for (const message of ["Hello?", "x".repeat(60_000)]) {
      socket.send(message);
      const { data } = await once(socket, "message");
      expect(data === message, data);
    }
    socket.close();
    const { wasClean } = await once(socket, "close");
    expect(wasClean, "it did not end cleanly");
  },
};

function expect(isSo, otherwise) {
  if (!isSo) throw new Error(otherwise);
}

/** The next event of that name; an error is none. */
function once(target, name) {
  return new Promise((resolve, reject) => {
    target.addEventListener(name, resolve, { once: true });
    target.addEventListener("error", () => reject(new Error(`no ${name}`)), { once: true });
  });
}

async function upload(content) {
  const response = await fetch("/files", { method: "POST", body: content });
  expect(response.status === 201, response.status);
  return response.json();
}

/** Hears so many ticks; the server learns of the end by the close of the connection. */
async function listen(ticks, rate, tell = () => {}) {
  const source = new EventSource(`/ticks?rate=${rate}`);
  const heard = [];
  while (heard.length < ticks) {
    const { data } = await once(source, "message");
    heard.push(data);
    tell(data);
  }
  source.close();
  return heard;
}

async function tryAll() {
  const failed = [];
  for (const [name, check] of Object.entries(checks)) {
    const item = document.createElement("li");
    document.getElementById("checks").append(item);
    try {
      await check();
      item.textContent = `${name}: fine`;
    } catch (error) {
      item.textContent = `${name}: ${error.message}`;
      failed.push(item.textContent);
    }
  }
  document.title = failed.length === 0 ? "all fine" : `failed: ${failed.join("; ")}`;
}

// What a person can do.

/** Has a form do something here instead of going elsewhere; what comes of it is shown in its output. */
function onSubmit(id, action) {
  const form = document.getElementById(id);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const output = form.querySelector("output");
    try {
      output.replaceChildren(await action(form.querySelector("input")));
    } catch (error) {
      output.replaceChildren(error.message);
    }
  });
}

onSubmit("upload", async (input) => {
  const { location, sha256 } = await upload(input.files[0]);
  const link = document.createElement("a");
  link.href = location;
  link.download = input.files[0].name;
  link.textContent = `SHA-256 ${sha256}`;
  return link;
});

onSubmit("echo", async (input) => {
  const socket = new WebSocket(`ws://${location.host}/echo`);
  await once(socket, "open");
  socket.send(input.value);
  const { data } = await once(socket, "message");
  socket.close();
  return data;
});

document.getElementById("tick").addEventListener("click", () => {
  listen(10, 4, (tick) => document.getElementById("ticks").replaceChildren(tick));
});

tryAll();
