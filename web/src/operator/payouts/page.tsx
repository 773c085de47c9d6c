/**
 * What the payment provider pays out, beside what is on record here.
 *
 * Guarantees: what does not agree comes first and is said in words; what could not be read in whole is never called
 * right.
 */
import type { ReactNode } from 'react';
import { Route, Routes } from 'react-router';
import { PayoutList } from './list';
import { OnePayout } from './one';

export default function PayoutsPage(): ReactNode {
  return (
    <Routes>
      <Route index element={<PayoutList />} />
      <Route path=":id" element={<OnePayout />} />
    </Routes>
  );
}
