// The peer: one channel of better-sse on Node's own HTTP server. GET / subscribes, POST / publishes the JSON it is sent.
import { createServer } from "node:http";
import { createChannel, createSession } from "better-sse";

const channel = createChannel();

const server = createServer(async (request, response) => {
  if (request.method === "POST") {
    let body = "";
    for await (const part of request) body += part;
    channel.broadcast(JSON.parse(body), "progress");
    response.writeHead(204).end();
    return;
  }
  channel.register(await createSession(request, response, { keepAlive: 15_000 }));
});
server.listen({ port: Number(process.argv[2]), host: "127.0.0.1", backlog: 4096 });
