/** The stewards' page (check-in/station.ts says what it guarantees). Loaded for stewards only. */
import { useEffect, type ReactNode } from 'react';
import { useCheckInText } from '../../i18n/check-in';
import { Button } from '../../ui/button';
import { EmptyState } from '../../ui/panels';
import { useSession } from '../../ui/session';
import { Spinner } from '../../ui/spinner';
import { Choose } from './choose';
import { OwnConflicts } from './conflicts';
import { Gate } from './gate';
import { useOfflinePage } from './offline-page';
import { Hindrances, StatusStrip } from './status';
import { useStation } from './use-station';
import './check-in.css';

export default function CheckInApp(): ReactNode {
  useTheme();
  return isSecureContext ? <Secure /> : <Nothing kind="insecure" />;
}

function Secure(): ReactNode {
  const t = useCheckInText('page');
  const { station, snapshot } = useStation();
  const isPageKept = useOfflinePage();
  const who = useSession();
  const { phase, listed } = snapshot;
  if (phase === 'opening') return <Spinner label={t('opening')} />;
  if (phase === 'broken') return <Nothing kind="broken" />;
  // Nobody knows who it is, and nothing says that it was a steward.
  if (who.kind !== 'account' && listed.length === 0) return <Nothing kind="nothing" />;
  return (
    <div className="gate-page stack">
      <StatusStrip snapshot={snapshot} />
      <Hindrances snapshot={snapshot} onRetry={() => void station.retryStuck()} />
      <OwnConflicts conflicts={snapshot.conflicts} onDismiss={(scanId) => void station.dismiss(scanId)} />
      {phase === 'open' ? (
        <Gate station={station} snapshot={snapshot} isPageKept={isPageKept} />
      ) : (
        <Choose station={station} snapshot={snapshot} />
      )}
    </div>
  );
}

function Nothing({ kind }: { readonly kind: 'insecure' | 'broken' | 'nothing' }): ReactNode {
  const t = useCheckInText('page');
  return (
    <EmptyState isPage title={t(`${kind}Title`)} body={t(`${kind}Body`)}>
      <Button onClick={() => location.reload()}>{t('reload')}</Button>
    </EmptyState>
  );
}

const THEME = /(?:^|;\s*)theme=(light|dark)(?:;|$)/;

/** The page that is kept for times without a network has the theme of when it was kept. */
function useTheme(): void {
  useEffect(() => {
    const theme = THEME.exec(document.cookie)?.[1];
    if (theme !== undefined) document.documentElement.dataset['theme'] = theme;
  }, []);
}
