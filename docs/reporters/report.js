// Report from a script of Node.js that assets-core runs. Copy this file: const report = require("./report.js");
// Where nobody listens, nothing happens.
"use strict";

const fs = require("fs");

function send(message) {
  const pipe = Number.parseInt(process.env.ASSETS_REPORT_FD || "", 10);
  if (Number.isNaN(pipe)) return;
  const line = Buffer.from(JSON.stringify(message) + "\n");
  for (let sent = 0; sent < line.length; ) {
    try {
      sent += fs.writeSync(pipe, line, sent);
    } catch (error) {
      if (error.code !== "EAGAIN") return;
    }
  }
}

module.exports = {
  /** Record facts about what is being made: texts, numbers, booleans, null, arrays and objects of such. */
  metadata: (values) => send({ metadata: values }),
  /** Say how far the work has come, from 0 to 1. */
  progress: (fraction, message = "") => send({ progress: fraction, message }),
  /** Write a line into the log; level: debug, info, warning or error. */
  log: (text, level = "info") => send({ log: { level, text: String(text) } }),
  /** Say the version of what was made elsewhere. */
  version: (text) => send({ version: String(text) }),
  /** The key of the partition that is being made, the path to write to, the path of an input; undefined: none. */
  partition: () => process.env.ASSETS_PARTITION,
  output: () => process.env.ASSETS_OUTPUT,
  input: (name) => process.env["ASSETS_INPUT_" + name.toUpperCase()],
};
