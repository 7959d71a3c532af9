// Servers on free ports: `node servers.mjs COUNT MS`. Writes the ports, and ends with its parent.
import http from "node:http";

const [count, ms] = process.argv.slice(2).map(Number);
const ports = [];
for (let n = 0; n < count; n++) {
  const server = http.createServer((request, response) => {
    request.resume();
    const send = () => response.end("hello\n");
    if (ms > 0) setTimeout(send, ms);
    else send();
  });
  server.keepAliveTimeout = 60_000;
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  ports.push(server.address().port);
}
console.log(JSON.stringify(ports));
process.stdin.on("end", () => process.exit()).resume();
