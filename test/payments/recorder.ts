/** A proxy in front of an API server that keeps what goes through, and can spoil it. */
import { createServer, request as send, type IncomingMessage, type Server } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import type { Exchange } from './openapi.js';

const textOf = async (stream: AsyncIterable<Buffer>): Promise<string> => {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
};

export class Recorder {
  readonly exchanges: Exchange[] = [];
  /** How many answers to lose from now on: the request has its effect, nobody hears of it. */
  loseAnswers = 0;
  readonly #target: string;
  readonly #server: Server;

  constructor(target: string) {
    this.#target = target;
    this.#server = createServer((request, response) => {
      this.#forward(request).then(
        ({ answer, text }) => {
          if (this.loseAnswers > 0) {
            this.loseAnswers -= 1;
            response.destroy();
            return;
          }
          response.writeHead(answer.statusCode ?? 500, answer.headers).end(text);
        },
        () => response.destroy(),
      );
    });
  }

  async start(): Promise<number> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return (this.#server.address() as AddressInfo).port;
  }

  stop(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  async #forward(request: IncomingMessage): Promise<{ answer: IncomingMessage; text: string }> {
    const form = await textOf(request);
    const { method = '', url: path = '', headers } = request;
    const forwarded = send(`${this.#target}${path}`, { method, headers });
    forwarded.end(form);
    const [answer] = (await once(forwarded, 'response')) as [IncomingMessage];
    const text = await textOf(answer);
    this.exchanges.push({ method, path, form, status: answer.statusCode ?? 0, answer: JSON.parse(text) });
    return { answer, text };
  }
}
