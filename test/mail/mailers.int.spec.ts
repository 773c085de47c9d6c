/** Both mailers keep one contract; what each promises beyond it. */
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { hostname, networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, test } from '@jest/globals';
import { FolderMailer } from '../../src/mail/folder.js';
import { MAIL_LIMITS, MailRefusedError } from '../../src/mail/message.js';
import { MailUnavailableError, type Mail, type Mailer } from '../../src/mail/port.js';
import { SmtpMailer, smtpTarget } from '../../src/mail/smtp.js';
import { systemClock } from '../../src/process/clock.js';
import { TestMailServer } from './smtp-server.js';

/** Longer than a busy machine takes to hand a mail over. */
const ATTEMPT_MS = 3_000;
const FROM = 'ticktak <tickets@ticktak.example>';
const MAIL: Mail = {
  to: 'fan@example.org',
  subject: 'Bestätigen Sie Ihre Adresse',
  text: 'Öffnen: https://ticktak.example/confirm-email#token=abc\n',
  kind: 'confirm-email',
};

interface Setup {
  readonly mailer: Mailer;
  /** Messages that arrived, whole, in the order they were sent. */
  received(): Promise<string[]>;
  cleanup(): Promise<void>;
}

async function folder(filesMax = 100): Promise<Setup & { dir: string }> {
  const parent = await mkdtemp(join(tmpdir(), 'ticktak-mail-'));
  const dir = join(parent, 'mails');
  const mailer = new FolderMailer({ dir, from: FROM, clock: systemClock, filesMax });
  await mailer.start();
  return {
    dir,
    mailer,
    received: async () =>
      Promise.all((await readdir(dir)).sort().map((name) => readFile(join(dir, name), 'utf8'))),
    cleanup: async () => {
      await mailer.stop();
      await rm(parent, { recursive: true });
    },
  };
}

async function smtp(attemptMs = 5_000): Promise<Setup & { server: TestMailServer }> {
  const server = new TestMailServer();
  const port = await server.start();
  const url = `smtp://127.0.0.1:${port}`;
  const mailer = new SmtpMailer({ url, from: FROM, clock: systemClock, attemptMs, retryMs: 1 });
  await mailer.start();
  return {
    server,
    mailer,
    received: async () => server.messages,
    cleanup: async () => {
      await mailer.stop();
      await server.stop();
    },
  };
}

/** Headers of a message, unfolded, by their names in small letters. */
function headersOf(message: string): Map<string, string[]> {
  const [head = ''] = message.split('\r\n\r\n');
  const headers = new Map<string, string[]>();
  for (const line of head.replace(/\r\n[ \t]+/g, ' ').split('\r\n')) {
    const name = line.slice(0, line.indexOf(':')).toLowerCase();
    headers.set(name, [...(headers.get(name) ?? []), line.slice(line.indexOf(':') + 1).trim()]);
  }
  return headers;
}

describe.each([
  ['FolderMailer', () => folder()],
  ['SmtpMailer', () => smtp()],
] as const)('%s', (_name, make) => {
  let setup: Setup;
  beforeEach(async () => {
    setup = await make();
  });
  afterEach(() => setup.cleanup());

  it('hands a mail over with the headers mail programs expect', async () => {
    await setup.mailer.send(MAIL);
    const [message = ''] = await setup.received();
    const headers = headersOf(message);
    expect(headers.get('to')).toEqual(['fan@example.org']);
    expect(headers.get('from')).toEqual([FROM]);
    expect(headers.get('message-id')?.[0]).toMatch(/^<[0-9a-f-]{36}@ticktak\.example>$/);
    expect(headers.get('auto-submitted')).toEqual(['auto-generated']);
    expect(Number.isNaN(Date.parse(headers.get('date')?.[0] ?? ''))).toBe(false);
    expect(headers.get('subject')?.[0]).toMatch(/^=\?UTF-8\?/);
    expect(message).toContain('confirm-email#token');
  });

  it.each([
    ['a line break', 'Hello\r\nBcc: all@example.org'],
    ['a bare line feed', 'Hello\nX-Evil: 1'],
    ['a carriage return', 'Hello\rX-Evil: 1'],
    ['a Unicode line separator', 'Hello\u2028X-Evil: 1'],
    ['a whole new message', 'Hello\r\n\r\n<script>'],
  ])('a subject with %s adds no header', async (_what, subject) => {
    await setup.mailer.send({ ...MAIL, subject });
    const messages = await setup.received();
    expect(messages).toHaveLength(1);
    const headers = headersOf(messages[0]!);
    expect(headers.has('bcc') || headers.has('x-evil')).toBe(false);
    expect(headers.get('subject')).toHaveLength(1);
  });

  it.each([
    ['a header', 'fan@example.org\r\nBcc: all@example.org'],
    ['a second recipient', 'fan@example.org, all@example.org'],
    ['a display name', 'Fan <fan@example.org>'],
    ['a group', 'all:fan@example.org;'],
    ['nobody', ''],
    ['too much', `${'a'.repeat(MAIL_LIMITS.addressCharsMax)}@example.org`],
  ])('a recipient that is %s is refused and nothing is sent', async (_what, to) => {
    await expect(setup.mailer.send({ ...MAIL, to })).rejects.toThrow(MailRefusedError);
    expect(await setup.received()).toEqual([]);
  });

  it('has a limit on sizes, and cuts a subject', async () => {
    const text = 'x'.repeat(MAIL_LIMITS.textCharsMax + 1);
    await expect(setup.mailer.send({ ...MAIL, text })).rejects.toThrow(MailRefusedError);
    const html = 'x'.repeat(MAIL_LIMITS.htmlCharsMax + 1);
    await expect(setup.mailer.send({ ...MAIL, html })).rejects.toThrow(MailRefusedError);
    await setup.mailer.send({ ...MAIL, subject: 'x'.repeat(10_000) });
    const [message = ''] = await setup.received();
    expect(headersOf(message).get('subject')?.[0]).toHaveLength(MAIL_LIMITS.subjectCharsMax);
  });

  it('carries the id of a mail as its Message-ID, every time, and says its language', async () => {
    const mail: Mail = { ...MAIL, id: 'abc123', locale: 'ar', html: '<p>Hello</p>' };
    await setup.mailer.send(mail);
    await setup.mailer.send(mail);
    const all = (await setup.received()).map(headersOf);
    expect(all.map((headers) => headers.get('message-id'))).toEqual([
      ['<abc123@ticktak.example>'],
      ['<abc123@ticktak.example>'],
    ]);
    expect(all[0]!.get('content-language')).toEqual(['ar']);
    await expect(setup.mailer.send({ ...MAIL, id: 'a>\r\nBcc: b' })).rejects.toThrow(MailRefusedError);
  });

  it('attaches files, so many and so large', async () => {
    const file = { filename: 'tickets.pdf', contentType: 'application/pdf', content: Buffer.from('%PDF-1') };
    await setup.mailer.send({ ...MAIL, attachments: [file] });
    const [message = ''] = await setup.received();
    expect(message).toMatch(/Content-Disposition: attachment; filename=tickets\.pdf/);
    expect(message).toContain(Buffer.from('%PDF-1').toString('base64'));
    const { attachmentsMax, attachmentsBytesMax } = MAIL_LIMITS;
    for (const attachments of [
      Array.from({ length: attachmentsMax + 1 }, () => file),
      [{ ...file, content: Buffer.alloc(attachmentsBytesMax + 1) }],
      [{ ...file, filename: '../tickets.pdf' }],
      [{ ...file, filename: 'a.pdf"\r\nX: y' }],
      [{ ...file, contentType: 'application/pdf; name=x' }],
    ]) {
      await expect(setup.mailer.send({ ...MAIL, attachments })).rejects.toThrow(MailRefusedError);
    }
  });

  it('sends many at once, each whole', async () => {
    const texts = Array.from({ length: 20 }, (_, i) => `mail number ${i} ends here`);
    await Promise.all(texts.map((text) => setup.mailer.send({ ...MAIL, text })));
    const received = await setup.received();
    expect(received).toHaveLength(20);
    for (const text of texts) expect(received.filter((message) => message.includes(text))).toHaveLength(1);
  });
});

describe('FolderMailer beyond the contract', () => {
  let setup: Awaited<ReturnType<typeof folder>>;
  beforeEach(async () => {
    setup = await folder(10);
  });
  afterEach(() => setup.cleanup());

  it('only this user can read the folder and the mails, and names sort by time', async () => {
    await setup.mailer.send({ ...MAIL, text: 'first' });
    await setup.mailer.send({ ...MAIL, text: 'second', kind: '../../reset password' });
    expect((await stat(setup.dir)).mode & 0o777).toBe(0o700);
    const names = (await readdir(setup.dir)).sort();
    for (const name of names) expect((await stat(join(setup.dir, name))).mode & 0o777).toBe(0o600);
    expect(names[0]).toMatch(/^\d{8}T\d{9}Z-000001-confirm-email-[0-9a-f]{6}\.eml$/);
    expect(names[1]).toMatch(/-resetpassword-/);
    const [first, second] = await setup.received();
    expect(first).toContain('first');
    expect(second).toContain('second');
  });

  it('does not grow without end: the oldest go', async () => {
    for (let i = 0; i < 11; i += 1) await setup.mailer.send({ ...MAIL, text: `number ${i}.` });
    const received = await setup.received();
    expect(received.length).toBeLessThanOrEqual(10);
    expect(received.at(-1)).toContain('number 10.');
    expect(received.join()).not.toContain('number 0.');
  });

  it('says when it cannot write', async () => {
    await rm(setup.dir, { recursive: true });
    await expect(setup.mailer.send(MAIL)).rejects.toThrow(MailUnavailableError);
    await setup.mailer.start();
  });
});

describe('SmtpMailer beyond the contract', () => {
  let setup: Awaited<ReturnType<typeof smtp>>;
  beforeEach(async () => {
    setup = await smtp(ATTEMPT_MS);
  });
  afterEach(() => setup.cleanup());

  it('tries once more after a refusal that may pass, and it arrives once', async () => {
    setup.server.behaviour.recipient.splice(0, 1, '451 busy', '250 OK');
    await setup.mailer.send(MAIL);
    expect(setup.server.connections).toBe(2);
    expect(setup.server.messages).toHaveLength(1);
  });

  it('does not insist when the server refuses for good, and quotes no address', async () => {
    setup.server.behaviour.recipient.splice(0, 1, '550 no such user fan@example.org');
    const refused = setup.mailer.send(MAIL);
    await expect(refused).rejects.toThrow(MailUnavailableError);
    await expect(refused).rejects.not.toThrow(/example\.org/);
    await expect(refused).rejects.toMatchObject({ fault: 'recipient' });
    expect(setup.server.connections).toBe(1);
  });

  it('tells a mail that is not taken from a server that takes none', async () => {
    setup.server.behaviour.recipient.splice(0, 1, '451 later');
    await expect(setup.mailer.send(MAIL)).rejects.toMatchObject({ fault: 'mail' });
    await setup.server.stop();
    await expect(setup.mailer.send(MAIL)).rejects.toMatchObject({ fault: 'server' });
    await setup.server.start();
  });

  it('gives up on a server that says nothing', async () => {
    setup.server.behaviour.silent = true;
    await expect(setup.mailer.send(MAIL)).rejects.toThrow(MailUnavailableError);
    expect(setup.server.connections).toBe(2);
  });

  it('sends nothing in the clear to a server that is not this machine', async () => {
    // The same server under an address that is not loopback, where this machine has one.
    const address = Object.values(networkInterfaces())
      .flat()
      .find((known) => known?.family === 'IPv4' && !known.internal)?.address;
    const server = new TestMailServer();
    const port = await server.start('0.0.0.0');
    const host = address ?? hostname();
    const mailer = new SmtpMailer({
      url: `smtp://${host}:${port}`,
      from: FROM,
      clock: systemClock,
      attemptMs: 2_000,
      retryMs: 1,
    });
    await mailer.start();
    await expect(mailer.send(MAIL)).rejects.toThrow(MailUnavailableError);
    expect(server.connections).toBeGreaterThan(0);
    expect(server.recipients).toEqual([]);
    expect(server.messages).toEqual([]);
    await mailer.stop();
    await server.stop();
  });

  test.each([
    ['smtp://127.0.0.1', { host: '127.0.0.1', port: 587, secure: false, isLoopback: true }],
    ['smtp://[::1]:2525', { host: '::1', port: 2525, isLoopback: true }],
    ['smtps://mail.example', { port: 465, secure: true, isLoopback: false }],
    ['smtp://127.0.0.1.evil.example', { isLoopback: false }],
    ['smtps://a%40b:p%3Ass@mail.example', { auth: { user: 'a@b', pass: 'p:ss' } }],
  ])('%s is read', (url, target) => {
    expect(smtpTarget(url)).toMatchObject(target);
  });

  test.each(['mail.example', 'http://user:secret@mail.example', 'smtp://:secret@'])(
    '%s is refused without its password being told',
    (url) => {
      expect(() => smtpTarget(url)).toThrow(/SMTP/);
      expect(() => smtpTarget(url)).not.toThrow(/secret/);
    },
  );
});
