// A new patient: files by drag or choice, then a job that prepares and answers.

import { getJson, send } from "./api.js";
import { fill, h, say } from "./dom.js";
import { go } from "./main.js";

const KINDS = { ct: "CT (DICOM folder or zip, NIfTI, NRRD)", slide: "Slides", tumor_mask: "Mask of the tumor", esophagus_mask: "Mask of the esophagus" };
const SLIDE = /\.(svs|tiff?|ndpi|scn|mrxs|bif|svslide|vms)$/i;

export async function newPage(content) {
  const study = await getJson("/api/study");
  const files = [];
  const chosen = h("div", {});
  const id = h("input", { name: "id", required: true, maxlength: "64", pattern: "[A-Za-z0-9][A-Za-z0-9._\\-]*", placeholder: "such as N-0001", autocomplete: "off" });
  const mpp = h("input", { type: "number", name: "mpp", min: "0.05", max: "10", step: "any", placeholder: "from the file" });
  const clinical = study.clinical.map((one) => [one.name, one.kind === "category"
    ? h("select", { name: one.name }, ["", ...one.levels].map((level) => h("option", { value: level }, level || "unknown")))
    : h("input", { type: "number", step: "any", name: one.name, placeholder: "unknown" }), one.unit]);
  const bar = h("progress", { max: "1", value: "0", hidden: true, "aria-label": "Upload" });
  const start = h("button", { type: "submit", class: "first", disabled: true }, "Add the patient");
  const picker = (attributes, text) => {
    const input = h("input", { type: "file", hidden: true, ...attributes, onchange: () => { add([...input.files]); input.value = ""; } });
    return [input, h("button", { type: "button", onclick: () => input.click() }, text)];
  };
  const drop = h("div", { class: "drop" }, h("p", {}, "Drag a DICOM folder, a zip file, NIfTI, masks and slides into this field."),
    h("p", {}, picker({ multiple: true }, "Choose files"), " ", picker({ webkitdirectory: true, multiple: true }, "Choose a folder")));
  for (const kind of ["dragover", "dragenter"]) drop.addEventListener(kind, (event) => { event.preventDefault(); drop.classList.add("over"); });
  drop.addEventListener("dragleave", () => drop.classList.remove("over"));
  drop.addEventListener("drop", async (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry()).filter(Boolean);
    add((await Promise.all(entries.map(filesOf))).flat());
  });
  const form = h("form", { class: "new" },
    h("label", {}, "Patient id ", id, h("small", {}, "The study's own id. Never a name or a hospital number.")), drop, chosen,
    h("label", {}, "µm per pixel of the slides ", mpp, h("small", {}, "Only where the slide's file does not give it.")),
    clinical.length ? h("fieldset", {}, h("legend", {}, "Clinical values that the model looks at"), clinical.map(([name, input, unit]) => h("label", {}, `${name.replaceAll("_", " ")}${unit ? ` (${unit})` : ""} `, input))) : null, h("p", {}, start, " ", bar));
  form.addEventListener("submit", (event) => { event.preventDefault(); upload().catch((error) => { say(error.message, "error"); start.disabled = false; bar.hidden = true; }); });
  fill(content, h("section", { class: "page narrow" }, h("h1", {}, "New patient"),
    h("p", { class: "muted" }, `The files stay on the machine that runs espark. ${study.model ? `${study.model} answers.` : "No model is trained yet, so there will be no answer."}`), form));

  function kindOf(name) {
    if (SLIDE.test(name)) return "slide";
    if (/tumou?r.*\.(nii|nii\.gz|nrrd)$/i.test(name)) return "tumor_mask";
    if (/(eso|oeso).*\.(nii|nii\.gz|nrrd)$/i.test(name)) return "esophagus_mask";
    return "ct";
  }
  function add(found) {
    files.push(...found.filter((file) => file.size && !file.name.startsWith(".")).map((file) => ({ file, kind: kindOf(file.name) })));
    draw();
  }
  function draw() {
    start.disabled = !files.length;
    const groups = Object.keys(KINDS).map((kind) => [kind, files.filter((one) => one.kind === kind)]).filter(([, own]) => own.length);
    fill(chosen, groups.map(([kind, own]) => h("div", { class: "given" }, h("b", {}, KINDS[kind]), own.length > 6 ? h("p", {}, `${own.length} files, ${megabytes(own)} `, h("button", { type: "button", onclick: () => { for (const one of own) files.splice(files.indexOf(one), 1); draw(); } }, "Remove")) :
      h("ul", {}, own.map((one) => h("li", {}, `${one.file.name}, ${megabytes([one])} `,
        h("select", { "aria-label": `What ${one.file.name} is`, onchange: (event) => { one.kind = event.target.value; draw(); } }, Object.keys(KINDS).map((key) => h("option", { value: key, selected: key === one.kind }, KINDS[key]))),
        h("button", { type: "button", onclick: () => { files.splice(files.indexOf(one), 1); draw(); } }, "Remove")))))));
  }
  async function upload() {
    start.disabled = true;
    bar.hidden = false;
    const { number } = await send("POST", "/api/uploads/begin");
    let [sent, total] = [0, files.reduce((sum, one) => sum + one.file.size, 0)];
    for (const { file, kind } of files) {
      await send("PUT", `/api/uploads/${number}/files?${new URLSearchParams({ kind, name: file.name })}`, file);
      sent += file.size;
      bar.value = sent / total;
    }
    await send("POST", `/api/uploads/${number}/finish`, { patient_id: id.value.trim(), slide_mpp: mpp.value ? Number(mpp.value) : null, clinical: Object.fromEntries(clinical.map(([name, input]) => [name, input.value])) });
    say(`${id.value.trim()} is being prepared.`);
    go("/jobs");
  }
}

const megabytes = (own) => `${(own.reduce((sum, one) => sum + one.file.size, 0) / 2 ** 20).toFixed(1)} MB`;

/** Every file below a dropped folder. */
async function filesOf(entry) {
  if (entry.isFile) return [await new Promise((resolve, reject) => entry.file(resolve, reject))];
  const reader = entry.createReader();
  const found = [];
  for (;;) {
    const part = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!part.length) return (await Promise.all(found.map(filesOf))).flat();
    found.push(...part);
  }
}
