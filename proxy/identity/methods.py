"""How somebody was shown to be who they are: one word for each way, in chains, records and spans."""

HANDLE = "opaque_handle"
TASK_TOKEN = "task_token"  # noqa: S105 - a way, not a secret
TXN_TOKEN = "txn_token"  # noqa: S105 - the same
ACCESS_TOKEN = "access_token"  # noqa: S105 - the same
ISSUED_JWT = "jwt"
CLIENT_ASSERTION = "private_key_jwt"
JWT_SVID = "jwt_svid"
X509_SVID = "x509_svid"
SERVICE_ACCOUNT = "k8s_sa_token"
TOKEN_REVIEW = "k8s_tokenreview"  # noqa: S105 - the same
PEER = "peercred"

METHODS = frozenset(
    {
        HANDLE, TASK_TOKEN, TXN_TOKEN, ACCESS_TOKEN, ISSUED_JWT, CLIENT_ASSERTION, JWT_SVID, X509_SVID,
        SERVICE_ACCOUNT, TOKEN_REVIEW, PEER,
    }
)  # fmt: skip
# Credentials that we issue ourselves, each under a task. They say nothing of how their holder came by them.
OURS = frozenset({HANDLE, TASK_TOKEN})
# What shows that it is the agent itself, and not somebody who was given a bearer credential of it.
OWN_KEY = frozenset({CLIENT_ASSERTION, JWT_SVID, X509_SVID, PEER})
