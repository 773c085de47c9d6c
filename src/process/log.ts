/** Structured logs: one JSON object a line, with the request id that follows a command everywhere. */
import { pino, type Logger as PinoLogger } from 'pino';

export type Logger = PinoLogger;

/** Nothing that opens a reservation or an account, or names a card or a person, may reach a log. */
const HIDDEN = [
  'token',
  'email',
  'paymentMethod',
  'card',
  'clientSecret',
  'password',
  'newPassword',
  'accessToken',
  'refreshToken',
  'totp',
  'recoveryCode',
  'solution',
];

/** Lines go to standard output, or to another file descriptor. */
export function createLogger({ logLevel }: { readonly logLevel: string }, descriptor = 1): Logger {
  const options = {
    level: logLevel,
    base: { pid: process.pid },
    timestamp: pino.stdTimeFunctions.isoTime,
    redact: { paths: [...HIDDEN, ...HIDDEN.map((name) => `*.${name}`)], censor: '[hidden]' },
  };
  return pino(options, pino.destination(descriptor));
}
