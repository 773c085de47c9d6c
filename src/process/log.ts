/** Structured logs: one JSON object a line, with the request id that follows a command everywhere. */
import { pino, type Logger as PinoLogger } from 'pino';

export type Logger = PinoLogger;

export function createLogger({ logLevel }: { readonly logLevel: string }): Logger {
  return pino({
    level: logLevel,
    base: { pid: process.pid },
    timestamp: pino.stdTimeFunctions.isoTime,
    // Nothing that opens a reservation or names a card may reach a log.
    redact: {
      paths: ['token', 'email', 'paymentMethod', 'card', '*.token', '*.email', '*.paymentMethod', '*.card'],
      censor: '[hidden]',
    },
  });
}
