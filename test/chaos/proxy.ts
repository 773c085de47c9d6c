/**
 * A TCP proxy on loopback that can be cut and made slow. A cut first loses answers: for a moment what was asked
 * still arrives, and nobody learns of it. Then all connections end, and none is accepted until `clear`. Memory is
 * bounded: a side that is not read is not written.
 */
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** How long answers are lost before the connections end. */
const LOSING_MS = 300;

export class FaultyProxy {
  /** Where it leads; may be said after `start`. */
  target: { readonly host: string; readonly port: number } | null = null;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #delayMs = 0;
  #losesAnswers = false;
  #isCut = false;

  constructor() {
    this.#server = createServer((client) => this.#serve(client));
  }

  async start(): Promise<void> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Each piece of data waits so long on its way, in both directions. */
  slow(delayMs: number): void {
    this.#delayMs = delayMs;
  }

  async cut(): Promise<void> {
    this.#losesAnswers = true;
    await sleep(LOSING_MS);
    this.#isCut = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  clear(): void {
    this.#delayMs = 0;
    this.#losesAnswers = false;
    this.#isCut = false;
  }

  async stop(): Promise<void> {
    this.#isCut = true;
    for (const socket of this.#sockets) socket.destroy();
    if (!this.#server.listening) return;
    this.#server.close();
    await once(this.#server, 'close');
  }

  #serve(client: Socket): void {
    if (this.#isCut || !this.target) {
      client.destroy();
      return;
    }
    const server = connect(this.target);
    for (const socket of [client, server]) {
      socket.setNoDelay(true);
      this.#sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        this.#sockets.delete(socket);
        client.destroy();
        server.destroy();
      });
    }
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      // Whatever ends it, the other side is ended too.
      this.#pass(from, to, from === server).then(
        () => to.end(),
        () => to.destroy(),
      );
    }
  }

  async #pass(from: Socket, to: Socket, areAnswers: boolean): Promise<void> {
    for await (const chunk of from) {
      if (this.#delayMs > 0) await sleep(this.#delayMs);
      if (areAnswers && this.#losesAnswers) continue;
      if (to.destroyed) return;
      if (!to.write(chunk as Buffer)) await Promise.race([once(to, 'drain'), once(to, 'close')]);
    }
  }
}
