/** What was refused, in words, and below them what the server itself said: operators are told both. */
import type { ReactNode } from 'react';
import type { ApiProblem } from '../../api';
import { ErrorPanel } from '../../ui/panels';
import { ServerWords } from './server-words';

export function Refusal(props: { readonly problem: ApiProblem; readonly children?: ReactNode }): ReactNode {
  const { problem, children } = props;
  return (
    <ErrorPanel problem={problem}>
      {problem.detail !== undefined && <ServerWords>{problem.detail}</ServerWords>}
      {problem.errors.map(({ path, message }) => (
        <ServerWords key={`${path} ${message}`}>{`${path}: ${message}`}</ServerWords>
      ))}
      {children}
    </ErrorPanel>
  );
}
