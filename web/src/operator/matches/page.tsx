/**
 * Matches and what operators do with their sales: pausing, cancelling, rescheduling.
 *
 * Guarantees: what buyers will read is shown before it is sent, as they will see it; what cannot be undone asks for a
 * phrase; how far something has come is the server's word, so that a reload changes nothing.
 */
import type { ReactNode } from 'react';
import { Route, Routes } from 'react-router';
import { MatchList } from './list';
import { OneMatch } from './one';
import './matches.css';

export default function MatchesPage(): ReactNode {
  return (
    <Routes>
      <Route index element={<MatchList />} />
      <Route path=":matchNumber" element={<OneMatch />} />
    </Routes>
  );
}
