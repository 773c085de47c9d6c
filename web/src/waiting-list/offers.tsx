/** What waiting lists offer to whoever looks: above everything else, because it ends. */
import { useState, type ReactNode } from 'react';
import { serverClock } from '../api';
import { useWaitingText, waitingTexts } from '../i18n/waiting';
import { useEntries } from './data';
import { offersOf } from './entries';
import { OfferCard } from './offer';
import './waiting-list.css';

/** `matchNumber`: of this match alone. */
export default function Offers({ matchNumber }: { readonly matchNumber?: number }): ReactNode {
  return (
    <waitingTexts.Provider>
      <Shown matchNumber={matchNumber} />
    </waitingTexts.Provider>
  );
}

function Shown({ matchNumber }: { readonly matchNumber: number | undefined }): ReactNode {
  const t = useWaitingText('list');
  const { data } = useEntries();
  // What ends while the page is open says so itself.
  const [now] = useState(() => serverClock.now());
  const offers = offersOf(data ?? [], now).filter(
    (entry) => matchNumber === undefined || entry.matchNumber === matchNumber,
  );
  return (
    <div role="status" className="waiting-offers">
      {offers.length > 0 && (
        <section className="stack" aria-label={t('offers')}>
          {matchNumber === undefined && <h2>{t('offers')}</h2>}
          {offers.map((entry) => (
            <OfferCard key={entry.id} entry={entry} withMatch={matchNumber === undefined} />
          ))}
        </section>
      )}
    </div>
  );
}
