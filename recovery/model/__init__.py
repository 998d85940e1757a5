"""The words of n8n-medic as values. Imports nothing of ours, so that every room may import it."""

from recovery.model.acting import *  # noqa: F403
from recovery.model.alerting import *  # noqa: F403
from recovery.model.auditing import *  # noqa: F403
from recovery.model.channel_doors import *  # noqa: F403
from recovery.model.data_doors import *  # noqa: F403
from recovery.model.doors import *  # noqa: F403
from recovery.model.n8n_doors import *  # noqa: F403
from recovery.model.names import *  # noqa: F403
from recovery.model.outcomes import *  # noqa: F403
from recovery.model.plans import *  # noqa: F403
from recovery.model.playbooks import *  # noqa: F403
from recovery.model.process_doors import *  # noqa: F403
from recovery.model.registry import *  # noqa: F403
from recovery.model.remote_doors import *  # noqa: F403
from recovery.model.replays import *  # noqa: F403
from recovery.model.sights import *  # noqa: F403
from recovery.model.tags import *  # noqa: F403
from recovery.model.telling import *  # noqa: F403
from recovery.model.turns import *  # noqa: F403
from recovery.model.wiring import *  # noqa: F403
from recovery.model.words import *  # noqa: F403
