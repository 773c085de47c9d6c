/** `GET /api/v1/audit`. */
export interface AuditEntry {
  readonly id: string;
  readonly at: string;
  readonly actor: string;
  readonly action: string;
  readonly subject: string;
  readonly address?: string;
  readonly requestId?: string;
  readonly details?: Readonly<Record<string, string | number | boolean>>;
}

export interface AuditPage {
  readonly entries: readonly AuditEntry[];
  readonly next?: string;
}
