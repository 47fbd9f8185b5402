"""Two projects with one of everything in each, and every kind of caller; nothing that they ask for stays."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from httpx2 import Response
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.accounts import actions as accounts
from app.accounts import notices, passwords, tokens
from app.accounts.guard import COOKIE
from app.accounts.tables import ApiToken, User
from app.annotations import actions as annotations
from app.annotations import reannotating
from app.annotations.choosing import Chosen
from app.core import db, storage
from app.core.db import now
from app.datasets import actions as datasets
from app.main import app
from app.projects import queries
from app.projects.guard import Seat
from app.projects.tables import Membership, Project
from app.runs import actions as runs
from app.runs import generators, playground, webhooks
from app.runs.group_tables import RunGroup
from app.runs.tables import Checkpoint, Run
from app.samples import pieces, renditions, staging
from app.samples.picking import Rule
from app.tasks import actions as tasks
from app.tasks import flags, gold, people, samplings
from tests import cast
from tests.app.annotations import desk
from tests.app.runs import stories

ROLES = ("annotator", "reviewer", "researcher", "admin")
Ids = dict[str, Any]


@dataclass
class World:
    """own, others, elsewhere: what addresses name, of the caller, of a colleague, of the other project."""

    own: Ids
    others: Ids
    elsewhere: Ids
    callers: dict[str, dict[str, str]] = field(default_factory=dict)
    """The headers of each caller."""
    contents: dict[Any, Any] = field(default_factory=dict)
    """By the id of a task that is in somebody's hands: what it could be answered with."""
    correction: dict[str, Any] = field(default_factory=dict)
    """What the annotator's own annotation could become."""


def build(session: Session) -> World:
    platform = _person(session, "platform", is_admin=True)
    streets, forests = (cast.project(session, platform, name) for name in ("Streets", "Forests"))
    own, others, crew = _fill(session, streets, platform)
    elsewhere, _none, strangers = _fill(session, forests, platform)
    own |= {"slug": "streets", "number": 1, "code": "en", "level": 0, "column": 0, "row": 0}
    world = World(own, others, elsewhere)
    world.correction = own.pop("correction")
    world.contents = own.pop("contents")
    stranger = strangers["annotator"]
    for role in ROLES[1:]:
        cast.seat(session, stranger, forests, role)
    boss = _person(session, "boss", is_admin=True)
    for project in (streets, forests):
        session.delete(session.query(Membership).filter_by(project_id=project.id, user_id=platform.id).one())
    signed = {**crew, "stranger": stranger, "platform": platform}
    world.callers = {"nobody": {}, "bad": _bearing("assay_nothing")}
    world.callers |= {name: _cookie(session, user) for name, user in signed.items()}
    world.callers |= {name: _token(session, boss, name) for name in ("reader", "writer")}
    _account_things(session, world, crew["annotator"], stranger)
    session.commit()
    return world


def _person(session: Session, name: str, is_admin: bool = False) -> User:
    user = accounts.add_invited(session, f"{name}@example.org", name.title())
    user.is_admin = is_admin
    return user


def _fill(session: Session, project: Project, author: User) -> tuple[Ids, Ids, dict[str, User]]:
    """One of everything that an address can name; Ann's, and for what belongs to a person, Bea's too."""
    crew = {role: _person(session, f"{role}.{project.slug}") for role in ROLES}
    seats = {role: cast.seat(session, user, project, role) for role, user in crew.items()}
    bea = cast.seat(session, _person(session, f"bea.{project.slug}"), project, "annotator")
    boss = Seat(author, project, queries.roles_of(session, author, project))
    for number in range(7):
        cast.sample(session, project, f"Question {number} of {project.name}")
    tasks.cut_tasks(session, project, author)
    ann = seats["annotator"]
    cleo = cast.seat(session, _person(session, f"cleo.{project.slug}"), project, "annotator")
    annotations.accept(session, seats["reviewer"], desk.annotate(session, ann).id)
    desk.annotate(session, cleo)
    mine, theirs = desk.annotate(session, ann), desk.annotate(session, bea)
    held, holds = desk.lease(session, ann), desk.lease(session, bea)
    for seat, lease in ((ann, held), (bea, holds)):
        annotations.save_draft(session, seat, lease.task_id, desk.content(lease.task.sample), None, 1.0)
    flag = flags.flag(session, ann, held.task_id, "confusing", "Two questions in one")
    order = reannotating.order(session, boss, Chosen(annotator=cleo.user.id), "The guidelines changed.", 1)
    free = [cast.sample(session, project, f"A later question {n} of {project.name}") for n in range(2)]
    scores = {str(free[0].responses[0].id): {"ethics": 4}}
    example = gold.make(session, boss, free[0].id, "practice", scores, [], 1, "It names everything.")
    people.pause(session, boss, bea.user.id, "Hurried")
    dataset = datasets.freeze(session, seats["researcher"], "first", held_out_share=0)
    run_id = _ended_run(session, seats["researcher"], dataset.id)
    own = {
        "task_id": held.task_id,
        "annotation_id": mine.id,
        "sample_id": free[1].id,
        "medium_id": _tiled(free[1].media[0]),
        "flag_id": flag.id,
        "gold_id": example.id,
        "reannotation_id": order.id,
        "dataset_id": dataset.id,
        "run_id": run_id,
        "checkpoint_id": _checkpoint(session, run_id),
        "sampling_id": samplings.make(session, seats["admin"], "a pick", Rule(), fresh=False).id,
        "group_id": _group(session, seats["researcher"], run_id),
        **_webhook(session, seats["researcher"]),
        "generator_id": _generator(session, seats["researcher"]),
        **_turn(session, seats["researcher"], run_id),
        "token": _upload(seats["admin"]),
        "pieces_token": pieces.begin(seats["admin"], pieces.About(name="some.jsonl", size=9))[0],
        "place": 0,
        "sha256": free[1].media[0].blob_sha256,
        "size": "thumb",
        "user_id": bea.user.id,
        "membership_id": session.query(Membership).filter_by(project_id=project.id, user_id=bea.user.id).one().id,
        "contents": {each.task_id: desk.content(each.task.sample) for each in (held, holds)},
        "correction": desk.content(mine.sample, tie=False, rank_reason="On second thoughts."),
    }
    rob = cast.seat(session, _person(session, f"rob.{project.slug}"), project, "researcher")
    others = {"task_id": holds.task_id, "annotation_id": theirs.id, **_turn(session, rob, run_id)}
    return own, others, crew


def _tiled(medium: Any) -> int:
    folder = renditions.folder_of(medium.blob_sha256)
    (folder / "tiles" / "0").mkdir(parents=True, exist_ok=True)
    (folder / "tiles" / "0" / "0_0.jpg").write_bytes(cast.picture())
    return int(medium.id)


def _ended_run(session: Session, seat: Seat, dataset_id: int) -> int:
    base = storage.root() / "models" / "tiny"
    base.mkdir(parents=True, exist_ok=True)
    (base / "config.json").write_text("{}")
    config = {"critiques": "human", "base": str(base)}
    run = runs.start(session, seat, recipe="reward", name="a reward", config=config, inputs={"dataset": dataset_id})
    stories.end(session, run, "It was stopped")
    folder = storage.run_folder(run.id)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "log.txt").write_text("step 1\n")
    return run.id


def _group(session: Session, seat: Seat, run_id: int) -> int:
    """A sweep of the one run."""
    row = RunGroup(project_id=seat.project.id, kind="sweep", name="a sweep", settings={}, created_by=seat.user.id)
    session.add(row)
    session.flush()
    session.get_one(Run, run_id).group_id = row.id
    return row.id


def _webhook(session: Session, seat: Seat) -> Ids:
    made, _secret = webhooks.make(session, seat, "https://93.184.215.14/runs", "ended")
    return {"webhook_id": made.id, "delivery_id": webhooks.test(session, seat, made.id).id}


def _generator(session: Session, seat: Seat) -> int:
    said = generators.Described(name="house", url="https://93.184.215.14/v1", model="m")
    return generators.save(session, seat, said).id


def _turn(session: Session, seat: Seat, run_id: int) -> Ids:
    """A question that was answered, and the policy that did."""
    policy = Checkpoint(run_id=run_id, kind="policy", path=f"output/of-{seat.user.id}", sha256="0" * 64)
    session.add(policy)
    session.flush()
    turn = playground.ask(session, seat, playground.Question("Question 1?", str(policy.id), "base"), cast.picture())
    turn.ended_at = now()
    session.flush()
    return {"turn_id": turn.id, "policy_id": policy.id}


def _checkpoint(session: Session, run_id: int) -> int:
    """As if the run had left one."""
    row = Checkpoint(run_id=run_id, kind="reward", path="output/checkpoint", sha256="0" * 64)
    session.add(row)
    session.flush()
    folder = storage.run_folder(run_id) / row.path
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "meta.json").write_text("{}")
    return row.id


def _upload(seat: Seat) -> str:
    return staging.keep_upload(seat, "some.jsonl", io.BytesIO(b'{"prompt": "?"}\n')).token


def _account_things(session: Session, world: World, person: User, other: User) -> None:
    for ids, user in ((world.own, person), (world.others, other)):
        tokens.make(session, user, "mine", "read", 1)
        ids["token_id"] = session.query(ApiToken).filter_by(user_id=user.id).one().id
        notices.tell(session, [user.id], "“%(name)s” in %(project)s is done.", "/", name="a reward", project="Streets")
        ids["notice_id"] = notices.page_of(session, user)[0].id
        ids["sign_in_id"] = accounts.queries.sign_ins_of(session, user)[0].id
    world.own["secret"] = passwords.make_link(session, person, "invitation", None)


def _cookie(session: Session, user: User) -> dict[str, str]:
    return {"cookie": f"{COOKIE}={accounts.open_session(session, user, 'a test', '')}"}


def _token(session: Session, user: User, name: str) -> dict[str, str]:
    return _bearing(tokens.make(session, user, name, "read" if name == "reader" else "write", 1))


def _bearing(secret: str) -> dict[str, str]:
    return {"authorization": f"Bearer {secret}"}


@contextmanager
def nothing_stays() -> Iterator[TestClient]:
    """A client of the site whose every request is undone: rolled back where it would be committed."""

    connection = db.engine().connect()  # one for all: a caller asks for one thing at a time

    def undone() -> Iterator[Session]:
        with connection.begin() as around:
            session = Session(connection, expire_on_commit=False, join_transaction_mode="create_savepoint")
            try:
                yield session
            except BaseException:
                session.expunge_all()
                raise
            finally:
                session.close()
                around.rollback()

    app.dependency_overrides[db._request_session] = undone
    try:
        with TestClient(app, follow_redirects=False) as client:
            yield client
    finally:
        del app.dependency_overrides[db._request_session]
        connection.close()


def ask(client: TestClient, world: World, caller: str, method: str, address: str, **body: Any) -> Response:
    client.cookies.clear()
    headers = {"accept": "application/json", **world.callers[caller]}
    return client.request(method, address, headers=headers, **body)
