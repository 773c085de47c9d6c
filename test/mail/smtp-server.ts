/** A mail server for tests. */
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** What its connections do. */
interface Behaviour {
  /** Answers to RCPT TO by turn; the last one stays. */
  readonly recipient: string[];
  /** Never answers the first line. */
  silent: boolean;
}

/** As much SMTP as a client needs: no TLS, no log-in. */
export class TestMailServer {
  readonly messages: string[] = [];
  readonly recipients: string[] = [];
  readonly behaviour: Behaviour = { recipient: ['250 OK'], silent: false };
  connections = 0;
  readonly #sockets = new Set<Socket>();
  readonly #server: Server = createServer((socket) => this.#serve(socket));

  async start(host = '127.0.0.1', port = 0): Promise<number> {
    await new Promise<void>((resolve) => this.#server.listen(port, host, resolve));
    return (this.#server.address() as AddressInfo).port;
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #serve(socket: Socket): void {
    this.connections += 1;
    this.#sockets.add(socket);
    socket.on('error', () => undefined);
    if (this.behaviour.silent) return;
    let text = '';
    let data: string | null = null;
    const say = (line: string): void => void socket.write(`${line}\r\n`);
    say('220 test');
    socket.on('data', (bytes) => {
      text += bytes.toString('utf8');
      for (let end = text.indexOf('\r\n'); end >= 0; end = text.indexOf('\r\n')) {
        const line = text.slice(0, end);
        text = text.slice(end + 2);
        if (data !== null) {
          if (line === '.') {
            this.messages.push(data);
            data = null;
            say('250 taken');
          } else data += `${line}\r\n`;
        } else if (/^DATA/i.test(line)) {
          data = '';
          say('354 go on');
        } else if (/^RCPT/i.test(line)) {
          const [answer = '250 OK'] = this.behaviour.recipient;
          if (this.behaviour.recipient.length > 1) this.behaviour.recipient.shift();
          if (answer.startsWith('250')) this.recipients.push(/<([^>]*)>/.exec(line)?.[1] ?? '');
          say(answer);
        } else if (/^STARTTLS/i.test(line)) say('502 not here');
        else if (/^QUIT/i.test(line)) socket.end('221 bye\r\n');
        else say('250 OK');
      }
    });
  }
}
