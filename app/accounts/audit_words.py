"""What the audit log calls the things that are done: action → words that stand after a person's name."""

from __future__ import annotations

from app.core.language import N_

WORDS = {
    "user.added": N_("added a person"),
    "user.deactivated": N_("deactivated a person"),
    "user.reactivated": N_("let a person in again"),
    "user.gave_password": N_("chose a password"),
    "user.made_admin": N_("made someone a platform admin"),
    "user.unmade_admin": N_("took platform administration from someone"),
    "user.erased": N_("erased a person"),
    "identity.linked": N_("linked a sign-in provider"),
    "identity.unlinked": N_("unlinked a sign-in provider"),
    "user.signed_in": N_("signed in"),
    "user.sign_in_failed": N_("turned away a wrong password"),
    "second_factor.failed": N_("turned away a wrong code"),
    "user.signed_out": N_("signed out"),
    "user.signed_out_elsewhere": N_("ended other sessions"),
    "password.changed": N_("changed the password"),
    "password.link_made": N_("made a link for a password"),
    "second_factor.on": N_("turned the second factor on"),
    "second_factor.off": N_("turned the second factor off"),
    "second_factor.recovered": N_("signed in with a recovery code"),
    "token.made": N_("made a token"),
    "token.revoked": N_("revoked a token"),
    "project.created": N_("created the project"),
    "project.settings": N_("changed the settings"),
    "project.rubric": N_("changed the rubric"),
    "project.review_rules": N_("changed the review rules"),
    "project.queue_rules": N_("changed the rules of the queue"),
    "role.given": N_("gave someone a role"),
    "role.taken": N_("took a role from someone"),
    "samples.imported": N_("imported samples"),
    "tasks.cut": N_("cut tasks"),
    "task.skipped": N_("skipped a sample"),
    "task.flagged": N_("flagged a sample"),
    "flag.resolved": N_("resolved a flag"),
    "queue.admitted": N_("let someone into the queue"),
    "queue.paused": N_("paused someone"),
    "queue.resumed": N_("ended someone's pause"),
    "queue.record": N_("changed what someone may take"),
    "gold.made": N_("made a gold sample"),
    "gold.retired": N_("retired a gold sample"),
    "annotation.submitted": N_("annotated a sample"),
    "annotation.revised": N_("revised an annotation"),
    "annotation.withdrawn": N_("took a submission back"),
    "review.accept": N_("accepted an annotation"),
    "review.correct": N_("corrected an annotation"),
    "review.return": N_("returned an annotation"),
    "review.reject": N_("rejected an annotation"),
    "review.overruled": N_("overruled an acceptance by rule"),
    "reviews.by_rule": N_("applied the review rules"),
    "sample.adjudicated": N_("decided over a sample"),
    "annotations.reannotation": N_("had annotations made again"),
    "annotations.reannotation_undone": N_("undid an order to annotate again"),
    "dataset.frozen": N_("froze a dataset"),
    "dataset.exported": N_("downloaded a dataset"),
    "table.exported": N_("downloaded a table"),
    "log.exported": N_("downloaded the log"),
    "run.started": N_("started a run"),
    "run.resumed": N_("let a run go on"),
    "run.cancelled": N_("cancelled a run"),
    "checkpoint.promoted": N_("promoted a checkpoint"),
    "checkpoint.withdrawn": N_("withdrew a checkpoint's standing"),
    "checkpoint.deleted": N_("deleted a checkpoint"),
    "checkpoint.pushed": N_("pushed a checkpoint elsewhere"),
    "checkpoint.exported": N_("downloaded a checkpoint"),
    "checkpoints.rule": N_("changed the rule of retention"),
    "backup.made": N_("made a backup"),
}
KINDS = {
    "annotation": N_("annotation"),
    "annotations": N_("annotations"),
    "backup": N_("backup"),
    "dataset": N_("dataset"),
    "flag": N_("flag"),
    "gold": N_("gold"),
    "identity": N_("sign-in provider"),
    "password": N_("password"),
    "log": N_("log"),
    "project": N_("project"),
    "queue": N_("queue"),
    "review": N_("review"),
    "reviews": N_("reviews"),
    "role": N_("role"),
    "run": N_("run"),
    "sample": N_("sample"),
    "samples": N_("samples"),
    "second_factor": N_("second factor"),
    "task": N_("task"),
    "tasks": N_("tasks"),
    "token": N_("token"),
    "user": N_("user"),
}


def words_of(action: str) -> str:
    """Of an action that has none, its own name."""
    return WORDS.get(action, action.replace(".", ": ").replace("_", " "))


def subject_words(subject: str) -> tuple[str, str]:
    """ "annotation 21" → its kind in words, and the rest."""
    kind, _space, rest = subject.partition(" ")
    return KINDS.get(kind, kind), rest
