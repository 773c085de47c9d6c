/** Changes of the balance and payments on record for tests: one payment of 150 USD, and what is changed of it. */
import type { BalanceTransaction, Payout } from '../../src/payments/port.js';
import type { PaymentRecord } from '../../src/payments/records.js';

export const line = (fields: Partial<BalanceTransaction>): BalanceTransaction => ({
  id: 'txn_1',
  kind: 'charge',
  type: fields.kind ?? 'charge',
  at: 1_700_000_000_000,
  amountMinor: 15_000,
  feeMinor: 0,
  currency: 'USD',
  paymentId: 'pi_1',
  ...fields,
});

export const charge = (fields: Partial<BalanceTransaction> = {}): BalanceTransaction =>
  line({
    feeMinor: 465,
    reservationId: 'r-1',
    paid: { amountMinor: 15_000, currency: 'USD' },
    ...fields,
  });

export const payout = (fields: Partial<Payout>): Payout => ({
  id: 'po_1',
  status: 'paid',
  amountMinor: 14_535,
  currency: 'USD',
  arrivalAt: 1_700_000_000_000,
  createdAt: 1_700_000_000_000,
  isAutomatic: true,
  isClosed: true,
  ...fields,
});

export const paymentRecord = (fields: Partial<PaymentRecord>): PaymentRecord => ({
  reservationId: 'r-1',
  matchNumber: 1,
  category: 1,
  quantity: 2,
  unitPrice: 75,
  currency: 'USD',
  email: 'buyer@example.com',
  person: 'buyer@example.com',
  heldAt: 1_699_999_000_000,
  amountMinor: 15_000,
  taxMinor: 0,
  status: 'succeeded',
  refundedMinor: 0,
  createdAt: 1_699_999_000_000,
  updatedAt: 1_699_999_000_000,
  ...fields,
});
