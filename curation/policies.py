"""Which policy gave a snapshot its verdicts: each policy file that was used is kept, by its digest."""

from pathlib import Path

from curation.policy import DEFAULT_POLICY, OutdatedError, Policy, load_policy
from curation.policy_text import write_policy
from manifests.errors import DeepfieldError


def keep_policy(policy: Policy, home: Path) -> None:
    """Keep a policy in `home`, its classifier too; of policies that give equal verdicts the last used."""
    write_policy(policy, _path(home, policy.digest))


def policy_of(digest: str, home: Path) -> Policy:
    """The policy of that digest: the one that was kept, or the one that comes with Deepfield.

    Raises:
        DeepfieldError: it is neither, it has changed since it was kept, or an earlier version of Deepfield measured and
            judged by it.
    """
    kept = _path(home, digest)
    if kept.exists():
        try:
            policy = load_policy(kept)
            if policy.digest == digest:
                return policy
            raise DeepfieldError(
                f"{kept} is not the policy that was kept there: remove it and run `deepfield curate` again."
            )
        except OutdatedError:
            raise DeepfieldError(
                "The newest snapshot was judged on measurements of another version of Deepfield: run "
                "`deepfield curate` again, which takes your decisions over."
            ) from None
    default = load_policy(DEFAULT_POLICY)
    if default.digest != digest:
        raise DeepfieldError("The policy behind the newest snapshot is not known here: run `deepfield curate` again.")
    return default


def _path(home: Path, digest: str) -> Path:
    return home / "policies" / f"{digest}.toml"
