/** All that somebody waits for, on the page of their tickets. */
import type { ReactNode } from 'react';
import { Link } from 'react-router';
import { useWaitingText, waitingTexts } from '../i18n/waiting';
import { MatchLine } from '../tickets/match-line';
import { Badge, Card, ErrorPanel, type BadgeTone } from '../ui/panels';
import { useEntries } from './data';
import { listed } from './entries';
import { Leave } from './leave';
import type { EntryStatus, WaitingEntry } from './types';

export default function WaitingLists(): ReactNode {
  return (
    <waitingTexts.Provider>
      <Shown />
    </waitingTexts.Provider>
  );
}

const TONES: Readonly<Record<EntryStatus, BadgeTone>> = {
  waiting: 'wait',
  offered: 'good',
  taken: 'good',
  lapsed: 'plain',
  left: 'plain',
};

function Shown(): ReactNode {
  const t = useWaitingText('list');
  const { data, problem, retry } = useEntries();
  if (problem && !data) return <ErrorPanel problem={problem} retry={retry} />;
  const entries = listed(data ?? []);
  if (entries.length === 0) return null;
  return (
    <section className="stack">
      <h2>{t('section')}</h2>
      {problem && <p className="soft">{t('stale')}</p>}
      <ul className="reservations">
        {entries.map((entry) => (
          <li key={entry.id}>
            <Entry entry={entry} />
          </li>
        ))}
      </ul>
    </section>
  );
}

function Entry({ entry }: { readonly entry: WaitingEntry }): ReactNode {
  const t = useWaitingText('list');
  const { matchNumber, category, quantity, status, position } = entry;
  return (
    <Card className="stack reservation">
      <div className="reservation-head">
        <h3>
          <Link to={`/matches/${matchNumber}`}>
            <MatchLine matchNumber={matchNumber} />
          </Link>
        </h3>
        <Badge tone={TONES[status]}>{t(`statuses.${status}`)}</Badge>
      </div>
      <p className="soft">
        {t('category', { category })} · {t('tickets', { count: quantity })}
      </p>
      {status === 'waiting' && (
        <p>{position === null ? t('positionUnknown') : t('position', { position })}</p>
      )}
      {status === 'lapsed' && <p>{t('lapsed')}</p>}
      {status === 'waiting' && (
        <div>
          <Leave entry={entry} />
        </div>
      )}
    </Card>
  );
}
