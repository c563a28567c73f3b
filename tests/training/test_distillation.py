# Copyright 2026 The hf_supernet authors. All rights reserved.
#
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License.
"""The loss of a student against a computation by hand, and which teachers are refused."""

import math

import pytest
import torch
from transformers import BertConfig, BertForMaskedLM, BertForSequenceClassification, BertTokenizer

from hf_supernet.training.distillation import DistillationArguments, DistillationLoss, Teacher

from .conftest import make_tokenizer


NAMES = ("entailment", "neutral", "contradiction")


def make_classifier(labels: tuple[str, ...] = NAMES, seed: int = 0, **sizes) -> BertForSequenceClassification:
    torch.manual_seed(seed)
    fields = {"vocab_size": 99, "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 4}
    fields |= {"intermediate_size": 37, "max_position_embeddings": 32, "initializer_range": 0.5}
    config = BertConfig(**(fields | sizes), num_labels=len(labels))
    config.id2label, config.label2id = dict(enumerate(labels)), {name: i for i, name in enumerate(labels)}
    return BertForSequenceClassification(config)


def make_teacher(model=None, student=None, tokenizer=None, max_seq_length: int = 32, **loss) -> Teacher:
    tokenizer = tokenizer or make_tokenizer()
    student = student or make_classifier(seed=1)
    return Teacher(
        model or make_classifier(), tokenizer, student, make_tokenizer(), max_seq_length, DistillationLoss(**loss)
    )


def make_batch(rows: int = 5) -> dict[str, torch.Tensor]:
    ids = torch.randint(5, 99, (rows, 7))
    types = torch.tensor([0, 0, 0, 0, 1, 1, 1]).expand(rows, 7)
    return {"input_ids": ids, "token_type_ids": types, "attention_mask": torch.ones_like(ids)}


@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_loss_by_hand(temperature):
    student, teacher = [[0.3, -1.2, 2.0], [1.0, 0.5, -0.5]], [[1.5, 0.0, -0.7], [0.2, 0.1, 3.0]]

    def probabilities(logits):
        powers = [math.exp(x / temperature) for x in logits]
        return [power / sum(powers) for power in powers]

    divergence = 0.0
    for s, t in zip(student, teacher, strict=True):
        pairs = zip(probabilities(s), probabilities(t), strict=True)
        divergence += sum(q * math.log(q / p) for p, q in pairs) / 2
    loss = DistillationLoss(weight=0.3, temperature=temperature)
    expected = 0.7 * 0.9 + 0.3 * divergence * temperature**2
    assert loss(torch.tensor(0.9), torch.tensor(student), torch.tensor(teacher)).item() == pytest.approx(expected)


def test_loss_of_a_regression():
    loss = DistillationLoss(weight=0.25)
    student, teacher = torch.tensor([[1.0], [2.0], [4.0]]), torch.tensor([[1.5], [0.0], [4.0]])
    expected = 0.75 * 2.0 + 0.25 * (0.25 + 4.0 + 0.0) / 3
    assert loss(torch.tensor(2.0), student, teacher).item() == pytest.approx(expected)


def test_a_student_that_answers_as_its_teacher_is_at_no_distance():
    model, batch = make_classifier().eval(), make_batch()
    logits = model(**batch).logits
    assert make_teacher(make_classifier()).distance(logits, batch).item() == pytest.approx(0, abs=1e-7)
    assert make_teacher(make_classifier(seed=2)).distance(logits, batch).item() > 0.01
    # at a temperature too, and where probabilities vanish
    far = torch.tensor([[200.0, -200.0, 0.0]])
    assert DistillationLoss(temperature=2.0).distance(far, far).item() == 0


def test_the_gradient_of_the_divergence_is_that_of_the_logits():
    """Of `KL(teacher || student)` it is the difference of the probabilities; the other direction has another."""
    logits, teacher_logits = torch.randn(4, 3, requires_grad=True), torch.randn(4, 3, requires_grad=True)
    DistillationLoss().distance(logits, teacher_logits).backward()
    torch.testing.assert_close(logits.grad, (logits.softmax(-1) - teacher_logits.softmax(-1)).detach() / 4)
    assert teacher_logits.grad is None


def test_no_gradient_and_no_dropout_in_the_teacher():
    model = make_classifier().train()
    student, batch = make_classifier(seed=1).train(), make_batch()
    teacher = make_teacher(model, student)
    assert torch.equal(teacher.logits(batch), teacher.logits(batch | {"labels": torch.zeros(5, dtype=torch.long)}))
    assert not teacher.logits(batch).requires_grad
    teacher.distance(student(**batch).logits, batch).backward()
    assert all(parameter.grad is None and not parameter.requires_grad for parameter in model.parameters())
    assert all(parameter.grad is not None for parameter in student.parameters())


def test_labels_in_another_order():
    model = make_classifier(labels=("Contradiction", "entailment", "neutral"))
    teacher, batch = make_teacher(model), make_batch()
    torch.testing.assert_close(teacher.logits(batch), model(**batch).logits[:, [1, 2, 0]])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"model": {"labels": ("entailment", "not_entailment")}},
            r"labels \['entailment', 'not_entailment'\], the stu",
        ),
        (
            {"model": {"labels": ("LABEL_0", "LABEL_1", "LABEL_2")}},
            "set `id2label` and `label2id` in its `config.json`",
        ),
        ({"model": {"labels": ("similarity",)}}, "The teacher answers with the labels a number"),
        (
            {"model": {"max_position_embeddings": 16}},
            "reads 16 tokens at most, the student 32: lower `max_seq_length`",
        ),
        ({"vocab": 7}, r"teacher \(98 tokens\) and student \(99 tokens\) differ in"),
    ],
)
def test_teachers_that_do_not_fit(given, message):
    tokenizer = make_tokenizer()
    if "vocab" in given:
        words = [word for word in tokenizer.get_vocab() if word != f"w{given['vocab']}"]
        tokenizer = BertTokenizer(vocab={word: i for i, word in enumerate(words)})
    with pytest.raises(ValueError, match=message):
        make_teacher(make_classifier(**given.get("model", {})), tokenizer=tokenizer)


def test_a_teacher_that_reads_more_than_the_student():
    student_tokenizer = make_tokenizer()
    student_tokenizer.model_input_names = ["input_ids", "attention_mask"]
    with pytest.raises(ValueError, match="The teacher reads token_type_ids, which the student's tokenizer"):
        Teacher(make_classifier(), make_tokenizer(), make_classifier(), student_tokenizer, 32)


def test_loaded_teachers(tmp_path):
    student, tokenizer = make_classifier(seed=1), make_tokenizer()
    make_classifier().save_pretrained(tmp_path / "teacher")
    tokenizer.save_pretrained(tmp_path / "teacher")
    arguments = DistillationArguments(str(tmp_path / "teacher"), distillation_weight=0.7, distillation_temperature=3.0)
    teacher = arguments.load_teacher(student, tokenizer, 32)
    assert (teacher.loss.weight, teacher.loss.temperature) == (0.7, 3.0)
    batch = make_batch()
    torch.testing.assert_close(teacher.logits(batch), make_classifier().eval()(**batch).logits)
    settings = {"teacher": "teacher", "distillation weight": 0.7, "distillation temperature": 3.0}
    assert arguments.hyperparameters == settings
    with pytest.raises(ValueError, match="acts on training, and there is none"):
        arguments.load_teacher(student, tokenizer, 32, trains=False)
    with pytest.raises(ValueError, match='`teacher_model_name_or_path`: "nowhere/at-all" is no model'):
        DistillationArguments("nowhere/at-all").load_teacher(student, tokenizer, 32)
    BertForMaskedLM(make_classifier().config).save_pretrained(tmp_path / "mlm")
    with pytest.raises(
        ValueError, match=r"was not fine-tuned as a classifier, it lacks the weights .*classifier\.bias"
    ):
        DistillationArguments(str(tmp_path / "mlm")).load_teacher(student, tokenizer, 32)
    assert DistillationArguments().load_teacher(student, tokenizer, 32) is None


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"distillation_weight": 1.1}, r"`distillation_weight` must lie in \[0, 1\], got 1.1"),
        ({"distillation_temperature": 0.0}, "`distillation_temperature` must be positive, got 0.0"),
        ({"distillation_weight": 0.4}, "`distillation_weight` is a setting of the distillation: pass `teacher"),
    ],
)
def test_slips(fields, message):
    with pytest.raises(ValueError, match=message):
        DistillationArguments(**fields)
