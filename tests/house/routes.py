"""The table of expected answers: every route, who may, and what happens to things of one's own and of others.

ANSWERS says for each kind of guard what each caller gets; `in` is any answer but 401, 403, 404 and 5xx. A token of
scope read gets 403 for every unsafe request that its owner could make. ROUTES names each route's guard and, where an
address names a thing, the answer for one's own, for another person's of the same project (· where things belong to
nobody in particular), and for another project's (· where things belong to no project).
"""

from __future__ import annotations

CALLERS = ["nobody", "bad", "stranger", "annotator", "reviewer", "researcher", "admin", "platform", "reader", "writer"]
"""nobody: no cookie · bad: a token that does not exist · stranger: every role, in another project · admin: plays every
role of the project · platform: an admin of the platform, who plays every role everywhere · reader, writer: tokens of
somebody with every right, of the scopes read and write."""

ANSWERS = """
              nobody bad  stranger annotator reviewer researcher admin platform reader writer
anyone        in     in   in       in        in       in         in    in       in     in
signed in     401    401  in       in        in       in         in    in       in     in
in person     401    403  in       in        in       in         in    in       403    403
people's      401    403  403      403       403      403        403   in       403    403
platform's    401    401  403      403       403      403        403   in       in     in
member        401    401  404      in        in       in         in    in       in     in
annotator     401    401  404      in        403      403        in    in       in     in
reviewer      401    401  404      403       in       403        in    in       in     in
researcher    401    401  404      403       403      in         in    in       in     in
admin         401    401  404      403       403      403        in    in       in     in
overseer      401    401  404      403       in       in         in    in       in     in
quality       401    401  404      403       in       403        in    in       in     in
machine       403    403  403      403       403      403        403   403      403    403
"""

ROUTES = """
method path                                                        guard       own others elsewhere

GET    /sign-in                                                    anyone
POST   /sign-in                                                    anyone
GET    /sign-in/code                                               anyone
POST   /sign-in/code                                               anyone
POST   /sign-out                                                   anyone
GET    /forgotten                                                  anyone
POST   /forgotten                                                  anyone
GET    /password-links/{secret}                                    anyone      200 · ·
POST   /password-links/{secret}                                    anyone      303 · ·
POST   /language                                                   anyone
GET    /language/{code}.js                                         anyone      200 · ·
GET    /sign-in/provider                                           anyone
GET    /sign-in/provider/return                                    anyone
GET    /healthz                                                    anyone
GET    /readyz                                                     anyone
GET    /metrics                                                    machine

GET    /                                                           signed-in
PUT    /api/v1/keys                                                signed-in

GET    /account                                                    in-person
POST   /account/name                                               in-person
POST   /account/veil                                               in-person
POST   /account/password                                           in-person
POST   /account/sign-ins/{sign_in_id}/ending                       in-person   303 404 ·
POST   /account/other-sign-ins/ending                              in-person
POST   /account/tokens                                             in-person
POST   /account/tokens/{token_id}/revocation                       in-person   303 404 ·
GET    /account/second-factor                                      in-person
POST   /account/second-factor                                      in-person
POST   /account/second-factor/confirmation                         in-person
POST   /account/second-factor/removal                              in-person
GET    /account/identity                                           in-person
GET    /account/identity/confirmation                              in-person
POST   /account/identity/confirmation                              in-person
POST   /account/identity/removal                                   in-person

GET    /notices                                                    in-person
GET    /notices/{notice_id:int}                                    in-person   303 404 ·
POST   /notices/readings                                           in-person

GET    /people                                                     people's
POST   /people                                                     people's
GET    /audit                                                      people's
GET    /audit.jsonl                                                people's
POST   /people/{user_id}/password-link                             people's    201 · ·
POST   /people/{user_id}/deactivation                              people's    303 · ·
POST   /people/{user_id}/reactivation                              people's    303 · ·
POST   /people/{user_id}/admin                                     people's    303 · ·
POST   /people/{user_id}/admin/removal                             people's    303 · ·
POST   /people/{user_id}/second-factor/removal                     people's    303 · ·
GET    /people/{user_id}/erasure                                   people's    200 · ·
POST   /people/{user_id}/erasure                                   people's    303 · ·
GET    /projects/new                                               platform's
POST   /projects                                                   platform's
GET    /style-guide                                                platform's

GET    /projects/{slug}                                            member
GET    /projects/{slug}/guidelines                                 member
GET    /projects/{slug}/guidelines/{number}                        member      200 · ·
POST   /projects/{slug}/guidelines/{number}/readings               member      204 · ·
GET    /projects/{slug}/media/{medium_id}                          member      200 · 404
GET    /projects/{slug}/media/{medium_id}/tiles/{level}/{column}/{row}  member  200 · 404
GET    /projects/{slug}/media/{medium_id}/address                  member      200 · 404
GET    /signed-media/{sha256}/{size}                               machine     403 · ·
GET    /projects/{slug}/media/{medium_id}/preparation              member      200 · 404

GET    /projects/{slug}/settings                                   admin
POST   /projects/{slug}/settings                                   admin
POST   /projects/{slug}/rubric                                     admin
POST   /projects/{slug}/people                                     admin
POST   /projects/{slug}/people/{membership_id}/password-link       admin       201 · 404
POST   /projects/{slug}/people/{membership_id}/removal             admin       303 · 404
GET    /projects/{slug}/samples/import                             admin
POST   /projects/{slug}/samples/imports                            admin
GET    /projects/{slug}/samples/imports/{token}                    admin       200 · 404
POST   /projects/{slug}/samples/imports/{token}/confirmation       admin       303 · 404
POST   /projects/{slug}/samples/imports/{token}/rehearsal          admin       303 · 404
POST   /projects/{slug}/samples/uploads                            admin
PUT    /projects/{slug}/samples/uploads/{pieces_token}/pieces/{place}  admin   200 · 404
POST   /projects/{slug}/samples/uploads/{pieces_token}/completion  admin       409 · 404
GET    /projects/{slug}/queue                                      admin
POST   /projects/{slug}/queue/rules                                admin
POST   /projects/{slug}/queue/people/{user_id}/record              admin       303 · 404
POST   /projects/{slug}/queue/people/{user_id}/pause               admin       409 · 404
POST   /projects/{slug}/queue/people/{user_id}/resumption          admin       303 · 404
POST   /projects/{slug}/queue/people/{user_id}/admission           admin       303 · 404
GET    /projects/{slug}/map                                        overseer
GET    /projects/{slug}/map/points                                 overseer
GET    /projects/{slug}/map/pictures                               overseer
POST   /projects/{slug}/samples/curation                           admin
GET    /projects/{slug}/clusters                                   overseer
POST   /projects/{slug}/clusters/renaming                          admin
POST   /projects/{slug}/clusters/merger                            admin
GET    /projects/{slug}/samplings                                  overseer
GET    /projects/{slug}/samplings/new                              admin
GET    /projects/{slug}/samplings/composition                      admin
POST   /projects/{slug}/samplings                                  admin
GET    /projects/{slug}/samplings/{sampling_id:int}                overseer    200 · 404
POST   /projects/{slug}/samplings/{sampling_id:int}/tasks          admin       303 · 404
POST   /projects/{slug}/tasks                                      admin
GET    /projects/{slug}/flags                                      admin
POST   /projects/{slug}/flags/{flag_id}/resolution                 admin       303 · 404
GET    /projects/{slug}/reviews/rules                              admin
GET    /projects/{slug}/reviews/rules/progress                     admin
POST   /projects/{slug}/reviews/rules                              admin
GET    /projects/{slug}/reannotations                              admin
POST   /projects/{slug}/reannotations                              admin
POST   /projects/{slug}/reannotations/{reannotation_id}/undoing    admin       303 · 404
GET    /projects/{slug}/gold                                       admin
GET    /projects/{slug}/samples/{sample_id}/gold                   admin       200 · 404
POST   /projects/{slug}/samples/{sample_id}/gold                   admin       303 · 404
POST   /projects/{slug}/gold/{gold_id}/retirement                  admin       303 · 404

GET    /projects/{slug}/annotate                                   annotator
GET    /projects/{slug}/annotate/{task_id}                         annotator   200 409 404
POST   /projects/{slug}/tasks/{task_id}/skip                       annotator   303 303 404
POST   /projects/{slug}/tasks/{task_id}/release                    annotator   303 303 404
POST   /projects/{slug}/tasks/{task_id}/flags                      annotator   204 204 404
POST   /api/v1/projects/{slug}/leases                              annotator
POST   /api/v1/projects/{slug}/reservations                        annotator
GET    /api/v1/projects/{slug}/tasks/{task_id}/draft               annotator   200 404 404
PUT    /api/v1/projects/{slug}/tasks/{task_id}/draft               annotator   200 409 404
POST   /api/v1/projects/{slug}/tasks/{task_id}/annotation          annotator   201 409 404
GET    /projects/{slug}/annotations/mine                           annotator
GET    /projects/{slug}/annotations/{annotation_id}/revision       annotator   200 404 404
POST   /api/v1/projects/{slug}/annotations/{annotation_id}/withdrawal  annotator  200 404 404
POST   /api/v1/projects/{slug}/annotations/{annotation_id}/revisions   annotator  201 404 404
GET    /projects/{slug}/practice                                   annotator
GET    /projects/{slug}/practice/{gold_id}                         annotator   200 · 404
POST   /projects/{slug}/practice/{gold_id}                         annotator   200 · 404

GET    /projects/{slug}/samples                                    overseer
GET    /projects/{slug}/samples/{sample_id}                        overseer    200 · 404
GET    /projects/{slug}/reviews                                    overseer
GET    /projects/{slug}/reviews/{annotation_id}                    overseer    200 · 404
POST   /projects/{slug}/reviews/{annotation_id}/acceptance         reviewer    303 · 404
POST   /projects/{slug}/reviews/{annotation_id}/correction         reviewer    303 · 404
POST   /projects/{slug}/reviews/{annotation_id}/return             reviewer    303 · 404
POST   /projects/{slug}/reviews/{annotation_id}/rejection          reviewer    303 · 404
GET    /projects/{slug}/adjudications                              overseer
GET    /projects/{slug}/samples/{sample_id}/adjudication           overseer    200 · 404
POST   /projects/{slug}/samples/{sample_id}/adjudication           reviewer    403 · 404

GET    /projects/{slug}/quality                                    quality
GET    /projects/{slug}/quality/agreement.csv                      quality
GET    /projects/{slug}/quality/annotations.csv                    quality
GET    /projects/{slug}/quality/progress.csv                       quality
GET    /projects/{slug}/quality/progress-by-part.csv               quality
GET    /projects/{slug}/quality/matrix.csv                         quality
GET    /projects/{slug}/quality/reward-model                       overseer
GET    /projects/{slug}/quality/reward-model.csv                   quality
GET    /projects/{slug}/quality/people                             quality
GET    /projects/{slug}/quality/people.csv                         quality
GET    /projects/{slug}/quality/people/{user_id:int}/beside.csv    quality     200 · 404
GET    /projects/{slug}/quality/people/{user_id:int}/habits.csv    quality     200 · 404
GET    /projects/{slug}/quality/people/{user_id:int}               quality     200 · 404
GET    /projects/{slug}/quality/people/{user_id:int}.csv           quality     200 · 404
GET    /projects/{slug}/quality/annotations                        quality

GET    /projects/{slug}/datasets                                   overseer
GET    /projects/{slug}/datasets/new                               researcher
POST   /projects/{slug}/datasets                                   researcher
GET    /projects/{slug}/datasets/{dataset_id:int}                  overseer    200 · 404
GET    /projects/{slug}/datasets/{dataset_id:int}/download         overseer    200 · 404
GET    /projects/{slug}/runs                                       overseer
GET    /projects/{slug}/runs/new                                   researcher
GET    /projects/{slug}/runs/estimate                              researcher
POST   /projects/{slug}/runs/following                             overseer
POST   /projects/{slug}/runs/following/ending                      overseer
GET    /projects/{slug}/runs/models                                researcher
POST   /projects/{slug}/runs/models                                researcher
POST   /projects/{slug}/runs/models/{generator_id:int}/removal     researcher  303 · 404
GET    /projects/{slug}/runs/playground                            researcher
POST   /projects/{slug}/runs/playground/turns                      researcher
GET    /projects/{slug}/runs/playground/turns/{turn_id:int}        researcher  200 404 404
GET    /projects/{slug}/runs/playground/turns/{turn_id:int}/events researcher  200 404 404
GET    /projects/{slug}/runs/playground/turns/{turn_id:int}/picture researcher  200 404 404
POST   /projects/{slug}/runs/playground/turns/{turn_id:int}/stop   researcher  409 404 404
POST   /projects/{slug}/runs/playground/turns/{turn_id:int}/vote   researcher  303 404 404
GET    /projects/{slug}/runs/webhooks                              researcher
POST   /projects/{slug}/runs/webhooks                              researcher
GET    /projects/{slug}/runs/webhooks/{webhook_id:int}             researcher  200 · 404
POST   /projects/{slug}/runs/webhooks/{webhook_id:int}             researcher  422 · 404
POST   /projects/{slug}/runs/webhooks/{webhook_id:int}/tests       researcher  303 · 404
POST   /projects/{slug}/runs/webhooks/{webhook_id:int}/removal     researcher  303 · 404
POST   /projects/{slug}/runs/webhooks/{webhook_id:int}/deliveries/{delivery_id:int}/repetition  researcher  303 · 404
GET    /projects/{slug}/runs/comparison                            overseer
GET    /projects/{slug}/runs/chains/new                            researcher
GET    /projects/{slug}/runs/chains/estimate                       researcher
POST   /projects/{slug}/runs/chains                                researcher
POST   /projects/{slug}/runs/sweeps                                researcher
GET    /projects/{slug}/runs/groups                                overseer
GET    /projects/{slug}/runs/groups/{group_id:int}                 overseer    200 · 404
GET    /projects/{slug}/runs/groups/{group_id:int}/state           overseer    200 · 404
POST   /projects/{slug}/runs/groups/{group_id:int}/cancellation    researcher  409 · 404
POST   /projects/{slug}/runs/groups/{group_id:int}/resumption      researcher  303 · 404
GET    /projects/{slug}/runs/comparison/curves                     overseer
GET    /projects/{slug}/runs/checkpoints                           overseer
GET    /projects/{slug}/runs/checkpoints/retention                 researcher
POST   /projects/{slug}/runs/checkpoints/retention                 researcher
GET    /projects/{slug}/runs/checkpoints/{checkpoint_id:int}       overseer    200 · 404
POST   /projects/{slug}/runs/checkpoints/{checkpoint_id:int}/promotions  researcher  303 · 404
POST   /projects/{slug}/runs/checkpoints/{checkpoint_id:int}/withdrawal  researcher  409 · 404
POST   /projects/{slug}/runs/checkpoints/{checkpoint_id:int}/pushes  researcher  422 · 404
GET    /projects/{slug}/runs/checkpoints/{checkpoint_id:int}/download  researcher  200 · 404
GET    /projects/{slug}/runs/checkpoints/{checkpoint_id:int}/deletion  researcher  200 · 404
POST   /projects/{slug}/runs/checkpoints/{checkpoint_id:int}/deletion  researcher  303 · 404
POST   /projects/{slug}/runs                                       researcher
GET    /projects/{slug}/runs/{run_id:int}                          overseer    200 · 404
GET    /projects/{slug}/runs/{run_id:int}/events                   overseer    200 · 404
GET    /projects/{slug}/runs/{run_id:int}/responses                overseer    200 · 404
GET    /projects/{slug}/runs/{run_id:int}/log                      overseer    200 · 404
GET    /projects/{slug}/runs/{run_id:int}/log/search               overseer    200 · 404
GET    /projects/{slug}/runs/{run_id:int}/history                  overseer    200 · 404
POST   /projects/{slug}/runs/{run_id:int}/cancellation             researcher  409 · 404
POST   /projects/{slug}/runs/{run_id:int}/resumption               researcher  303 · 404
POST   /projects/{slug}/runs/{run_id:int}/clones                   researcher  303 · 404
GET    /projects/{slug}/runs/workers                               overseer
GET    /projects/{slug}/runs/workers/state                         overseer
POST   /projects/{slug}/runs/{run_id:int}/priority                 researcher  409 · 404
POST   /projects/{slug}/runs/{run_id:int}/offer                    researcher  409 · 404
POST   /projects/{slug}/runs/{run_id:int}/offer-withdrawal         researcher  409 · 404
POST   /projects/{slug}/runs/{run_id:int}/approvals                researcher  303 · 404
"""
