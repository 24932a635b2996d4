"""Drives the URL given with the official SDK, step by step, and prints the result of each step.

It runs in its own virtual environment (`make .venv/sdk`): the SDK and the embedded stack need different versions of a
library. The import of the SDK takes seconds, and starts threads that watch a file under the home directory.
"""

import json
import sys

import PureCloudPlatformClientV2 as sdk  # noqa: N813

CLIENT = ("demo-client", "demo-client-secret")
QUEUE = "queue-001"


def drive(url):
    """Use the SDK as a tool for routing weights does, and return the result of each step."""
    sdk.configuration.host = url  # also the SDK's login host, because it does not start with "api."
    client = sdk.api_client.ApiClient().get_client_credentials_token(*CLIENT)
    routing, users, tokens = sdk.RoutingApi(client), sdk.UsersApi(client), sdk.TokensApi(client)

    def refusal(call, *arguments, **options):
        try:
            call(*arguments, **options)
        except sdk.rest.ApiException as error:
            return {"status": error.status, "code": json.loads(error.body)["code"], "said": json.loads(error.body)}
        return None

    def filled(model, **fields):
        for name, value in fields.items():
            setattr(model, name, value)
        return model

    results = {"client": tokens.get_tokens_me().o_auth_client.id}

    def request(queue):
        return filled(sdk.QueueRequest(), **{name: getattr(queue, name) for name in sdk.QueueRequest().swagger_types})

    ring = filled(sdk.QueueMember(), id="agent-002", ring_number=4)
    results["no_ring"] = refusal(routing.patch_routing_queue_member, QUEUE, "agent-002", ring)
    ringed = request(routing.get_routing_queue(QUEUE))
    timeout = filled(sdk.ExpansionCriterium(), type="TIMEOUT_SECONDS", threshold=5)
    ringed.bullseye = filled(sdk.Bullseye(), rings=[filled(sdk.Ring(), expansion_criteria=[timeout]) for _ in range(4)])
    results["rings"] = len(routing.put_routing_queue(QUEUE, ringed).bullseye.rings)
    results["ring"] = routing.patch_routing_queue_member(QUEUE, "agent-002", ring)
    members = [
        filled(sdk.QueueMember(), id="agent-003", joined=False),
        filled(sdk.QueueMember(), id="stranger", joined=True),
    ]
    results["bulk"] = [
        [member.id, member.joined] for member in routing.patch_routing_queue_members(QUEUE, members).entities
    ]
    skill = filled(sdk.UserRoutingSkill(), id="skill-support", proficiency=2.5)
    results["proficiency"] = users.put_user_routingskill("agent-001", "skill-support", skill).proficiency
    post = filled(sdk.UserRoutingSkillPost(), id="skill-billing", proficiency=1.5)
    assigned = users.patch_user_routingskills_bulk("agent-001", [post])
    results["assigned"] = [assigned.total, {skill.id: skill.proficiency for skill in assigned.entities}]
    replaced = users.put_user_routingskills_bulk("agent-005", [post])
    results["replaced"] = [[skill.id, skill.proficiency, skill.state] for skill in replaced.entities]
    results["skills"] = [skill.name for skill in routing.get_routing_skills(name="S").entities]

    pages = []
    while page := routing.get_routing_queue_members(
        QUEUE, page_size=2, page_number=len(pages) + 1, expand=["skills", "routingStatus"], joined=True
    ).entities:
        pages.append(page)
    results["members"] = [
        [
            [
                member.id,
                member.ring_number,
                member.member_by,
                member.user.routing_status.status,
                member.user.state,
                [skill.proficiency for skill in member.user.skills],
            ]
            for member in page
        ]
        for page in pages
    ]

    queue = routing.get_routing_queue(QUEUE)
    best = filled(request(queue), skill_evaluation_method="BEST")
    put = routing.put_routing_queue(QUEUE, best)
    results["queue"] = [put.name, put.skill_evaluation_method, put.modified_by, put.date_modified > queue.date_modified]
    results["listed"] = [[queue.id, queue.member_count] for queue in routing.get_routing_queues(name="queue*").entities]

    results["refused"] = refusal(routing.patch_routing_queue_member, QUEUE, "agent-001", {"score": 0.4})
    results["unknown"] = refusal(routing.get_routing_queue, "other")
    tokens.delete_tokens_me()
    results["revoked"] = refusal(routing.get_routing_queue, QUEUE)
    return results


if __name__ == "__main__":
    print(json.dumps(drive(sys.argv[1])))
