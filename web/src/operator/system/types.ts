/** `GET /api/v1/operations/system`. */
export interface SystemState {
  readonly at: string;
  readonly workers: readonly { readonly id: string; readonly tickets: number }[];
  readonly consumers: readonly ConsumerState[];
  readonly deadLetters: { readonly open: number };
  /** At most `SHOWN_MAX` of mails and payments are counted. */
  readonly mails: { readonly due: number; readonly oldestSeconds: number };
  readonly payments: { readonly due: number; readonly stuck: number };
  readonly queues: { readonly waiting: number; readonly active: number };
  readonly outbox: { readonly entries: number };
}

/** So many of them: or more. */
export const SHOWN_MAX = 100;

export interface ConsumerState {
  readonly id: string;
  /** When it last said so. */
  readonly at: string;
  /** Records of each partition that it has not read. */
  readonly lag: readonly { readonly source: string; readonly records: number }[];
  /** Messages that wait for their master list. */
  readonly waiting: number;
}
