"use strict";
// Frames of a camera or a video file go, as they are, to the program on this computer; what it reads comes back.

const TALLEST = 360;       // rows of a frame that is sent; the face in it is large enough, and a 4K camera no burden
const GROUP = 5, GROUP_SECONDS = 0.15;
const MOST_AT_ONCE = 10, MOST_WAITING = 45;  // frames; of more, every other one is left out: computing is too slow
const NUMBERS = {          // of the variability: name → what it is called, decimals, unit
  mean_interval_ms: ["mean interval", 0, "ms"], sdnn_ms: ["SDNN", 0, "ms"], rmssd_ms: ["RMSSD", 0, "ms"],
  pnn50_percent: ["pNN50", 0, "%"], lf_ms2: ["LF", 0, "ms²"], hf_ms2: ["HF", 0, "ms²"], lf_hf: ["LF/HF", 2, ""],
};

const $ = (id) => document.getElementById(id);
const token = new URLSearchParams(location.search).get("token");
const video = $("video"), still = document.createElement("canvas");
const pixels = still.getContext("2d", { willReadFrequently: true });
let session = null, stream = null, waiting = [], sending = false, first = null, newest = -1, last = null, box = null, attention = null;
let delay = null, fps = null, shownRemarks = "", wakeLock = null, usual = "";

const address = (path, query = {}) => `${path}?${new URLSearchParams({ token, session: session ?? "", ...query })}`;

async function ask(path, query, body) {
  const response = await fetch(address(path, query), { method: "POST", body });
  const told = await response.json();
  if (!response.ok) throw Object.assign(new Error(told.error), { status: response.status });
  return told;
}

function say(sentence, trouble = false) {
  $("status").textContent = sentence;
  $("status").classList.toggle("trouble", trouble);
}

const GONE = "The program that reads the pulse does not answer: start `live --page` again and open the address that it prints.";
const CAMERA = {
  NotFoundError: "There is no camera: connect one, or open a video file.",
  NotAllowedError: "The camera is not allowed: click the camera in the address bar, allow it, and press Start.",
  NotReadableError: "The camera gives no picture: close other programs that use it, and press Start.",
  OverconstrainedError: "This camera is not there any more: choose another one, and press Start.",
  AbortError: "The camera gives no picture: connect it again, and press Start.",
};

/** Tell what went wrong at the start, and give the program's camera session back. */
async function fail(sentence) {
  await stop(sentence, true);
  await ask("/end").catch(() => null);
}

async function begin() {
  if (!video.requestVideoFrameCallback) throw new Error("This browser does not tell when a picture was taken: use a newer one.");
  if (session) await ask("/end").catch(() => null);
  session = crypto.randomUUID();
  waiting = []; first = null; newest = -1; last = box = attention = delay = fps = null;
  render();
  say("Loading the method …");
  await ask("/start", { method: $("method").value });
}

async function startCamera() {
  try {
    await begin();
    const wanted = { width: { ideal: 640 }, height: { ideal: 480 }, frameRate: { ideal: 30 } };
    if ($("camera").value) wanted.deviceId = { exact: $("camera").value };
    if (!navigator.mediaDevices) throw new DOMException("", "NotFoundError");
    stream = await navigator.mediaDevices.getUserMedia({ video: wanted, audio: false });
    for (const track of stream.getVideoTracks()) {
      track.addEventListener("ended", () => stop("The camera was unplugged: connect it again, and press Start.", true));
    }
    $("stage").classList.add("camera");
    video.srcObject = stream;
    await play("Measuring: keep still, and let even light fall on your face.");
    listCameras();
  } catch (error) {
    fail(CAMERA[error.name] ?? (error instanceof TypeError ? GONE : error.message));
  }
}

async function startFile(file) {
  if (session) await stop("");
  try {
    await begin();
    $("stage").classList.remove("camera");
    video.src = URL.createObjectURL(file);
    await play(`Measuring ${file.name} at its own speed.`);
  } catch (error) {
    const unread = `${file.name} cannot be played by this browser: use \`predict\`, or save it as MP4 (H.264) or WebM.`;
    fail(["NotSupportedError", "AbortError"].includes(error.name) ? unread : error instanceof TypeError ? GONE : error.message);
  }
}

async function play(sentence) {
  await video.play();
  say(usual = sentence);
  $("toggle").textContent = "Stop";
  $("stage").classList.add("live");
  video.requestVideoFrameCallback(take);
  wakeLock = await navigator.wakeLock?.request("screen").catch(() => null);
}

async function stop(sentence = "Stopped. What was read can still be saved.", trouble = false) {
  stream?.getTracks().forEach((track) => track.stop());
  wakeLock?.release();
  if (video.src) URL.revokeObjectURL(video.src);
  stream = video.srcObject = wakeLock = null;
  video.removeAttribute("src");
  video.load();
  waiting = []; box = attention = null;
  $("toggle").textContent = "Start";
  $("stage").classList.remove("live");
  draw();
  if (sentence) say(sentence, trouble);
}

const running = () => Boolean(stream || video.src);

/** One picture that the browser shows: keep its pixels and its time. */
function take(now, about) {
  if (!running()) return;
  video.requestVideoFrameCallback(take);
  const seconds = stream ? (about.captureTime ?? now) / 1000 : about.mediaTime;
  if (seconds <= newest) return;
  newest = seconds;
  first ??= seconds;
  const share = Math.min(1, TALLEST / video.videoHeight);
  const [width, height] = [Math.round(video.videoWidth * share), Math.round(video.videoHeight * share)];
  if (still.width !== width || still.height !== height) [still.width, still.height] = [width, height];
  pixels.imageSmoothingQuality = "high";
  pixels.drawImage(video, 0, 0, width, height);
  waiting.push({ seconds, at: performance.now(), width, height, data: pixels.getImageData(0, 0, width, height).data });
  if (waiting.length > MOST_WAITING) waiting = waiting.filter((_, i) => i % 2);
  send();
}

async function send() {
  const due = () => waiting.length >= GROUP || (waiting.length && newest - waiting[0].seconds >= GROUP_SECONDS);
  if (sending || !due()) return;
  sending = true;
  try {
    while (running() && due()) {
      const frames = waiting.splice(0, MOST_AT_ONCE);
      const told = await ask("/frames", { waiting: newest - frames.at(-1).seconds }, packed(frames)).catch((error) => {
        if (![400, 429].includes(error.status)) throw error;
        say(error.message, true);
        return null;
      });
      if (told && running()) {
        if (!document.hidden && $("status").textContent !== usual) say(usual);
        show(told, frames.at(-1));
      }
    }
  } catch (error) {
    stop(error instanceof TypeError ? GONE : error.message, true);
  } finally {
    sending = false;
  }
}

/** Frames one after the other, each with seconds, width and height before its pixels. */
function packed(frames) {
  const body = new Uint8Array(frames.reduce((sum, frame) => sum + 16 + frame.data.length, 0));
  let place = 0;
  for (const frame of frames) {
    const head = new DataView(body.buffer, place, 16);
    head.setFloat64(0, frame.seconds, true);
    head.setUint32(8, frame.width, true);
    head.setUint32(12, frame.height, true);
    body.set(frame.data, place + 16);
    place += 16 + frame.data.length;
  }
  return body;
}

function show(told, frame) {
  box = told.box;
  fps = told.fps;
  if (told.attention) attention = told.attention;
  $("looks").hidden = !attention;
  const remarks = told.remarks.map((text) => text.replace(", --face N takes another", "; cover the others")).join("\n");
  if (remarks !== shownRemarks) {
    shownRemarks = remarks;
    $("remarks").replaceChildren(...told.remarks.map((_, i) => Object.assign(document.createElement("li"), { textContent: remarks.split("\n")[i] })));
  }
  if (told.update) {
    last = told.update;
    delay = last.wave ? frame.seconds - first - last.wave_seconds[1] + (performance.now() - frame.at) / 1000 : null;
    render();
  }
  draw();
}

const number = (value, digits, unit = "") => (value === null || value === undefined ? "–" : `${value.toFixed(digits)}${unit && " " + unit}`);

function render() {
  const u = last ?? { bpm: null, quality: null, reason: "no measurement yet", interval_bpm: null, probability: null };
  $("bpm").textContent = number(u.bpm, 0);
  $("interval").textContent = u.bpm !== null && u.interval_bpm !== null && u.interval_bpm <= 10 ? `± ${u.interval_bpm.toFixed(0)}` : "";
  const doubt = u.bpm !== null && u.quality < 0.3 ? "The signal is poor: do not rely on this number." : "";
  const where = u.reason?.startsWith("no face") ? ": look at the camera, in even light, and come nearer" : "";
  const reason = u.bpm === null ? u.reason + where : u.at_band_edge ? "At the edge of what can be read: the true rate may lie outside." : doubt;
  if ($("reason").textContent !== reason) $("reason").textContent = reason;
  $("meter").value = u.quality ?? 0;
  $("quality").textContent = u.bpm === null ? "–" : number(u.quality, 2);
  $("certainty").textContent = u.probability === null ? "–" : `${(100 * u.probability).toFixed(0)} % that it is within 5 bpm`;
  const hrv = u.beat_to_beat ?? {}, breathless = hrv.reasons?.breaths_per_minute;
  $("breaths").textContent = breathless ? `– (${breathless})` : number(hrv.breaths_per_minute, 0, "a minute");
  $("pace").textContent = fps === null ? "" : `${fps.toFixed(0)} frames a second${delay === null ? "" : `, delay ${delay.toFixed(1)} s`}`;
  $("variability").replaceChildren(...Object.entries(NUMBERS).flatMap(([key, [name, digits, unit]]) => [
    Object.assign(document.createElement("dt"), { textContent: name }),
    Object.assign(document.createElement("dd"), { textContent: number(hrv[key], digits, unit), title: hrv.reasons?.[key] ?? "" }),
  ]));
  $("variability-reason").textContent = [...new Set(Object.keys(NUMBERS).map((key) => hrv.reasons?.[key]).filter(Boolean))][0] ?? "";
  $("csv").disabled = $("report").disabled = !last?.wave;
  drawWave(u);
  drawSpectrum(u);
}

function surface(canvas) {
  const ratio = window.devicePixelRatio, { clientWidth: width, clientHeight: height } = canvas;
  [canvas.width, canvas.height] = [width * ratio, height * ratio];
  const to = canvas.getContext("2d"), style = getComputedStyle(document.documentElement);
  to.scale(ratio, ratio);
  to.font = "12px system-ui, sans-serif";
  return { to, width, height, colour: (name) => style.getPropertyValue(`--${name}`) };
}

function path(to, xs, ys) {
  to.beginPath();
  xs.forEach((x, i) => to.lineTo(x, ys[i]));
  to.stroke();
}

function drawWave(u) {
  const { to, width, height, colour } = surface($("wave"));
  $("wave").setAttribute("aria-label", u.wave ? `pulse wave of the last ${(u.wave_seconds[1] - u.wave_seconds[0]).toFixed(0)} seconds` : "no wave yet");
  if (!u.wave) return blank(to, width, height, colour);
  const [first, end] = u.wave_seconds, x = (s) => ((s - first) / (end - first)) * width;
  to.strokeStyle = colour("rule"); to.fillStyle = colour("quiet"); to.textAlign = "center";
  for (let s = Math.ceil(first); s <= end; s += 1) {
    path(to, [x(s), x(s)], [0, height - 16]);
    if (s % 2 === 0 && x(s) > 15 && x(s) < width - 15) to.fillText(`${s} s`, x(s), height - 3);
  }
  to.strokeStyle = colour("line"); to.lineWidth = 2; to.lineJoin = "round";
  const middle = (height - 18) / 2, step = (end - first) / (u.wave.length - 1);
  path(to, u.wave.map((_, i) => x(first + i * step)), u.wave.map((v) => middle - v * (middle - 3)));
}

function drawSpectrum(u) {
  const { to, width, height, colour } = surface($("spectrum"));
  const peak = u.spectrum ? u.spectrum_bpm[u.spectrum.indexOf(Math.max(...u.spectrum))] : null;
  $("spectrum").setAttribute("aria-label", peak ? `spectrum of the wave, highest at ${peak.toFixed(0)} a minute` : "no spectrum yet");
  if (!peak) return blank(to, width, height, colour);
  const [low, high] = [u.spectrum_bpm[0], u.spectrum_bpm.at(-1)], x = (bpm) => ((bpm - low) / (high - low)) * width;
  to.strokeStyle = colour("rule"); to.fillStyle = colour("quiet"); to.textAlign = "center";
  for (let bpm = 60; bpm < high; bpm += 60) {
    path(to, [x(bpm), x(bpm)], [0, height - 16]);
    to.fillText(`${bpm}`, x(bpm), height - 3);
  }
  to.strokeStyle = colour("line"); to.lineWidth = 2; to.lineJoin = "round";
  path(to, u.spectrum_bpm.map(x), u.spectrum.map((v) => height - 18 - v * (height - 34)));
  if (u.bpm !== null) {
    to.strokeStyle = to.fillStyle = colour("mark"); to.setLineDash([5, 4]);
    path(to, [x(u.bpm), x(u.bpm)], [0, height - 18]);
    const right = x(u.bpm) > width - 80;
    to.textAlign = right ? "right" : "left";
    to.fillText(`${u.bpm.toFixed(0)} bpm`, x(u.bpm) + (right ? -6 : 6), 12);
  }
}

function blank(to, width, height, colour) {
  to.fillStyle = colour("quiet"); to.textAlign = "center";
  to.fillText("comes with the first ten seconds of a face", width / 2, height / 2);
}

/** The face's box, and where the network looks, over the picture. */
function draw() {
  const { to, width, height, colour } = surface($("overlay"));
  if (!box || !video.videoWidth) return;
  const scale = Math.min(width / video.videoWidth, height / video.videoHeight);
  const [w, h] = [video.videoWidth * scale, video.videoHeight * scale];
  const [left, top] = [(width - w) / 2 + box[0] * w, (height - h) / 2 + box[1] * h];
  if (attention && $("look").checked) {
    const [across, down] = [(box[2] * w) / attention[0].length, (box[3] * h) / attention.length];
    to.fillStyle = colour("mark");
    attention.forEach((row, i) => row.forEach((value, j) => {
      to.globalAlpha = 0.6 * value;
      to.fillRect(left + j * across, top + i * down, across + 0.5, down + 0.5);
    }));
    to.globalAlpha = 1;
  }
  to.strokeStyle = "#000"; to.lineWidth = 4; to.strokeRect(left, top, box[2] * w, box[3] * h);
  to.strokeStyle = "#fff"; to.lineWidth = 2; to.strokeRect(left, top, box[2] * w, box[3] * h);
}

async function listCameras() {
  const chosen = $("camera").value, found = (await navigator.mediaDevices?.enumerateDevices()) ?? [];
  const cameras = found.filter((device) => device.kind === "videoinput" && device.deviceId);
  if (!cameras.length) return;
  $("camera").replaceChildren(...cameras.map((c, i) => new Option(c.label || `camera ${i + 1}`, c.deviceId)));
  if (cameras.some((camera) => camera.deviceId === chosen)) $("camera").value = chosen;
}

async function save(path, name) {
  const response = await fetch(address(path));
  if (!response.ok) return say((await response.json()).error, true);
  const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(await response.blob()), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  say(`${name} is in the folder of your downloads.`);
}

async function again() {
  if (stream) {
    await stop("");
    startCamera();
  }
}

$("toggle").addEventListener("click", () => (running() ? stop() : startCamera()));
$("camera").addEventListener("change", again);
$("method").addEventListener("change", again);
$("file").addEventListener("change", () => $("file").files.length && startFile($("file").files[0]));
$("pick").addEventListener("keydown", (event) => [" ", "Enter"].includes(event.key) && (event.preventDefault(), $("file").click()));
$("csv").addEventListener("click", () => save("/pulse.csv", "pulse.csv").catch(() => say(GONE, true)));
$("report").addEventListener("click", () => save("/report.html", "pulse.html").catch(() => say(GONE, true)));
$("look").addEventListener("change", draw);
$("controls").addEventListener("submit", (event) => event.preventDefault());
video.addEventListener("ended", () => stop("The video has ended. What was read can be saved."));
navigator.mediaDevices?.addEventListener("devicechange", listCameras);
window.addEventListener("resize", () => { render(); draw(); });
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", render);
window.addEventListener("pagehide", () => session && navigator.sendBeacon(address("/end")));
document.addEventListener("visibilitychange", () => {
  if (!running()) return;
  if (document.hidden) say("This tab is in the background, where browsers show no pictures: come back to go on.", true);
});
for (const kind of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    document.body.classList.toggle("over", kind === "dragover");
    if (kind !== "drop") return;
    const file = event.dataTransfer.files[0];
    if (file) startFile(file);
    else say("That is no file: drop a video file.", true);
  });
}
fetch(address("/about")).then(async (response) => {
  const told = await response.json();
  if (!response.ok) return say(told.error, true);
  $("method").replaceChildren(...told.methods.map((name) => new Option(name, name)));
}).catch(() => say(GONE, true));
listCameras();
render();
