/**
 * Mail into a folder: one .eml file per mail, named by its time, which mail programs open.
 *
 * Guarantees beyond the port: a file is there whole or not at all; only this user can read it (it may hold
 * tokens); the folder does not grow without end, the oldest go first.
 */
import { randomBytes } from 'node:crypto';
import { chmod, mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../actors/ports.js';
import { composed } from './message.js';
import { MailUnavailableError, type Mail, type Mailer } from './port.js';

/** Mails kept. */
const FILES_MAX = 10_000;
/** Mails removed at once when there are more. */
const FILES_REMOVED = 1_000;

export interface FolderMailerOptions {
  /** Made when it is not there. */
  readonly dir: string;
  /** `Name <address>` or an address. */
  readonly from: string;
  readonly clock: Clock;
  readonly filesMax?: number;
}

export class FolderMailer implements Mailer {
  readonly #options: FolderMailerOptions;
  #composer: ReturnType<typeof makeComposer> | null = null;
  #sent = 0;
  #files = 0;

  constructor(options: FolderMailerOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    const { dir } = this.#options;
    try {
      await mkdir(dir, { recursive: true, mode: 0o700 });
      await chmod(dir, 0o700);
      this.#files = (await this.#mails()).length;
    } catch (error) {
      throw new MailUnavailableError(`The mail folder ${dir} cannot be used.`, { cause: error });
    }
  }

  async stop(): Promise<void> {
    (await this.#composer)?.close();
    this.#composer = null;
  }

  async send(mail: Mail): Promise<void> {
    const { dir, from, clock } = this.#options;
    const now = clock.now();
    this.#composer ??= makeComposer();
    const { message } = await (await this.#composer).sendMail(composed(mail, from, now));
    if (!Buffer.isBuffer(message)) throw new Error('the mail was composed as a stream, not as bytes');
    this.#sent += 1;
    try {
      await write(dir, fileName(now, this.#sent, mail.kind), message);
      this.#files += 1;
      if (this.#files > (this.#options.filesMax ?? FILES_MAX)) await this.#removeOldest();
    } catch (error) {
      throw new MailUnavailableError(`The mail could not be written to ${dir}; is the disk full?`, {
        cause: error,
      });
    }
  }

  async #mails(): Promise<string[]> {
    return (await readdir(this.#options.dir)).filter((name) => name.endsWith('.eml')).sort();
  }

  async #removeOldest(): Promise<void> {
    const { dir, filesMax = FILES_MAX } = this.#options;
    const mails = await this.#mails();
    // Others may write here too, so it is counted anew.
    const tooMany = Math.max(0, mails.length - filesMax);
    const oldest = tooMany === 0 ? [] : mails.slice(0, tooMany + Math.min(FILES_REMOVED, filesMax >> 1));
    await Promise.all(oldest.map((name) => rm(join(dir, name), { force: true })));
    this.#files = mails.length - oldest.length;
  }
}

/** Loaded with the first mail: most processes never send one. */
async function makeComposer() {
  const { createTransport } = await import('nodemailer');
  return createTransport({ streamTransport: true, buffer: true, newline: 'windows' });
}

const SEQUENCE_DIGITS = 6;

/** `20221120T160000000Z-000001-confirm-email-a1b2c3.eml`: by time, then in the order they were sent. */
function fileName(now: number, sequence: number, kind: string): string {
  const time = new Date(now).toISOString().replace(/[-:.]/g, '');
  const order = String(sequence).padStart(SEQUENCE_DIGITS, '0');
  const about = kind.replace(/[^a-z0-9-]/gi, '').slice(0, 40);
  return `${time}-${order}-${about}-${randomBytes(3).toString('hex')}.eml`;
}

async function write(dir: string, name: string, bytes: Buffer): Promise<void> {
  const unfinished = join(dir, `.${name}.part`);
  try {
    const file = await open(unfinished, 'wx', 0o600);
    try {
      await file.writeFile(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(unfinished, join(dir, name));
  } catch (error) {
    await rm(unfinished, { force: true });
    throw error;
  }
}
