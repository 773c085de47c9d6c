/** `GET /api/v1/blocks`. */
export interface Block {
  readonly id: string;
  /** An address or a range: `192.0.2.0/24`. */
  readonly cidr: string;
  readonly reason: string;
  /** `account:<id>` or `system`. */
  readonly addedBy: string;
  readonly createdAt: string;
  /** Absent: until it is ended. */
  readonly expiresAt?: string;
}

export interface Blocks {
  readonly blocks: readonly Block[];
  readonly next?: string;
}
