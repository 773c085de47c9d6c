/**
 * What becomes of a `Mail` before it is sent, however it is sent: limits, and nothing in it that could add a
 * header, a recipient, or read a file or a URL.
 */
import { randomUUID } from 'node:crypto';
import type { SendMailOptions } from 'nodemailer';
import type { Attachment, Mail } from './port.js';

export const MAIL_LIMITS = {
  /** RFC 5321 section 4.5.3.1.3, without the angle brackets. */
  addressCharsMax: 254,
  subjectCharsMax: 200,
  textCharsMax: 100_000,
  htmlCharsMax: 200_000,
  attachmentsMax: 10,
  /** Of all attachments together; servers refuse mails above 10 MB, and encoding adds a third. */
  attachmentsBytesMax: 5_000_000,
} as const;

/** A mail that must never be sent as it is: a defect of whoever made it, not of the server. */
export class MailRefusedError extends Error {
  override readonly name = 'MailRefusedError';
}

/** One address and nothing else: no list, no display name, no comment, no second line. */
const ADDRESS = /^[^\s<>()[\],;:"\\@]+@[^\s<>()[\],;:"\\@]+$/;

/** What nodemailer gets. Repeated sends of it carry the same Message-ID, so that mail programs can drop repeats. */
export function composed(mail: Mail, from: string, now: number): SendMailOptions {
  const { to, subject, text, html } = mail;
  if (to.length > MAIL_LIMITS.addressCharsMax || !ADDRESS.test(to) || hasControl(to))
    throw new MailRefusedError('the recipient is not one plain e-mail address');
  if (text.length > MAIL_LIMITS.textCharsMax) throw tooLong('text', MAIL_LIMITS.textCharsMax);
  if (html !== undefined && html.length > MAIL_LIMITS.htmlCharsMax)
    throw tooLong('html', MAIL_LIMITS.htmlCharsMax);
  checkAttachments(mail.attachments ?? []);
  return {
    from,
    // An object is taken as it is; a string would be parsed as a list of addresses.
    to: { name: '', address: to },
    subject: oneLine(subject).slice(0, MAIL_LIMITS.subjectCharsMax),
    text,
    ...(html !== undefined && { html }),
    date: new Date(now),
    messageId: `<${messageName(mail)}@${domainOf(from)}>`,
    headers: {
      // RFC 3834: nobody's holiday notice is wanted in answer.
      'Auto-Submitted': 'auto-generated',
      ...(mail.locale !== undefined && { 'Content-Language': mail.locale }),
    },
    ...(mail.attachments && {
      attachments: mail.attachments.map(({ filename, contentType, content }) => ({
        filename,
        contentType,
        content,
        contentDisposition: 'attachment' as const,
      })),
    }),
    disableFileAccess: true,
    disableUrlAccess: true,
  };
}

const MESSAGE_NAME = /^[A-Za-z0-9]{1,64}$/;

function messageName({ id }: Mail): string {
  if (id === undefined) return randomUUID();
  if (!MESSAGE_NAME.test(id)) throw new MailRefusedError('the id of a mail is letters and digits');
  return id;
}

const FILE_NAME = /^[A-Za-z0-9][\w.-]{0,99}$/;
const CONTENT_TYPE = /^[a-z]+\/[a-z0-9.+-]{1,60}$/;

function checkAttachments(attachments: readonly Attachment[]): void {
  const { attachmentsMax, attachmentsBytesMax } = MAIL_LIMITS;
  if (attachments.length > attachmentsMax)
    throw new MailRefusedError(`a mail may have at most ${attachmentsMax} attachments`);
  const bytes = attachments.reduce((total, { content }) => total + content.length, 0);
  if (bytes > attachmentsBytesMax)
    throw new MailRefusedError(`the attachments of a mail may have at most ${attachmentsBytesMax} bytes`);
  for (const { filename, contentType } of attachments) {
    if (!FILE_NAME.test(filename) || !CONTENT_TYPE.test(contentType))
      throw new MailRefusedError('the name or type of an attachment is none');
  }
}

const tooLong = (what: string, max: number): MailRefusedError =>
  new MailRefusedError(`the ${what} of a mail may have at most ${max} characters`);

const CONTROL = /[\p{Cc}\p{Zl}\p{Zp}]+/gu;

const hasControl = (text: string): boolean => text.search(CONTROL) >= 0;
const oneLine = (text: string): string => text.replace(CONTROL, ' ').trim();

function domainOf(from: string): string {
  return /@([A-Za-z0-9.-]+)>?\s*$/.exec(from)?.[1] ?? 'localhost';
}
