/** Who did something, as the audit names them: an account leads to what it did. */
import type { ReactNode } from 'react';
import { Link } from 'react-router';
import { useOperatorText } from '../../i18n/operator';
import { useSession } from '../../ui/session';

const KNOWN = ['system', 'service', 'provider', 'admin-token', 'anonymous'] as const;

export function ActorName({ actor }: { readonly actor: string }): ReactNode {
  const t = useOperatorText('shell');
  const who = useSession();
  const known = KNOWN.find((one) => one === actor);
  if (known !== undefined) return t(`actors.${known}`);
  if (!actor.startsWith('account:')) return <bdi className="mono breakable">{actor}</bdi>;
  const isMe = who.kind === 'account' && actor === `account:${who.account.id}`;
  return (
    <Link to={`/operator/audit?actor=${encodeURIComponent(actor)}`}>
      {isMe ? t('actors.me') : <bdi className="mono breakable">{actor.slice('account:'.length)}</bdi>}
    </Link>
  );
}
